package worker

import (
	"sync/atomic"
	"time"
)

// counters are what a worker counts, of its thread; others only read.
type counters struct {
	batches atomic.Uint64
	largest atomic.Uint64
	dropped atomic.Uint64
	jobs    [classes]atomic.Uint64
	wait    atomic.Int64
	longest atomic.Int64
}

func (c *counters) gathered(jobs int) {
	c.batches.Add(1)
	if n := uint64(jobs); n > c.largest.Load() {
		c.largest.Store(n)
	}
}

func (c *counters) waited(d time.Duration) {
	c.wait.Add(int64(d))
	if int64(d) > c.longest.Load() {
		c.longest.Store(int64(d))
	}
}

// NodeStats are what one node's worker did since it was started.
type NodeStats struct {
	Node     int           `json:"node"`
	Queued   int           `json:"queued"` // now
	Batches  uint64        `json:"batches"`
	Largest  uint64        `json:"largest"`  // batch, in jobs
	Built    uint64        `json:"built"`    // jobs of class Build
	Attached uint64        `json:"attached"` // of class Attach
	Detached uint64        `json:"detached"` // of class Detach
	Dropped  uint64        `json:"dropped"`  // jobs that nobody wanted any more
	Waited   time.Duration `json:"waited"`   // by all jobs until they ran, in ns
	Longest  time.Duration `json:"longest"`  // wait of a job, in ns
	Lane     LaneStats     `json:"lane"`
}

// Stats are what [Workers] did since they were started.
type Stats struct {
	Nodes   []NodeStats `json:"nodes"`
	Turn    TurnStats   `json:"turn"`
	Leases  uint64      `json:"leases"`  // given
	Expired uint64      `json:"expired"` // of these, by time
}

func (c *counters) stats() NodeStats {
	return NodeStats{
		Batches: c.batches.Load(), Largest: c.largest.Load(), Dropped: c.dropped.Load(),
		Built: c.jobs[Build].Load(), Attached: c.jobs[Attach].Load(), Detached: c.jobs[Detach].Load(),
		Waited: time.Duration(c.wait.Load()), Longest: time.Duration(c.longest.Load()),
	}
}
