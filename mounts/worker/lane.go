package worker

import (
	"context"
	"sync"
	"time"

	"tango/mounts/kernel"
	"tango/mounts/topology"
)

// LaneConfig says how a [Lane] works. The zero value is a lane on any CPU with
// the defaults.
type LaneConfig struct {
	// HighWater is how many things may wait to be freed until it is done while
	// others wait for mount work; 64 if 0.
	HighWater int
	// Settle is for how long nothing must have gone on before a lane begins; 10
	// ms if 0. The pauses of a burst are shorter.
	Settle time.Duration

	cpus     topology.CPUSet
	turn     *Turn
	index    int
	items    int
	activity *activity
}

// Defaults of a LaneConfig.
const (
	defaultHighWater = 64
	defaultSettle    = 10 * time.Millisecond
)

// Lane frees things when nobody waits for mount work: taking mounts away waits
// for an RCU grace period each time, one at a time for the whole machine. It does
// so beside the worker, so that work that comes meanwhile never stands behind.
type Lane struct {
	config LaneConfig
	wake   chan struct{} // capacity 1
	done   chan struct{} // closed when nothing frees any more

	mu      sync.Mutex
	pending []func() // guarded by mu
	closed  bool     // guarded by mu
	freed   uint64   // guarded by mu
}

// NewLane starts a lane. It must be closed.
func NewLane(c LaneConfig) *Lane {
	if c.HighWater <= 0 {
		c.HighWater = defaultHighWater
	}
	if c.Settle <= 0 {
		c.Settle = defaultSettle
	}
	if c.activity == nil {
		c.activity = &activity{}
	}
	c.items = max(c.items, 1)
	l := &Lane{config: c, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run()
	return l
}

// Free has f run later, one after the other, in the order of the calls. False
// says that the lane is closed and f will not be run.
func (l *Lane) Free(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.pending = append(l.pending, f)
	l.signal()
	return true
}

func (l *Lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Busy tells the lane that somebody waits for mount work, until the function that
// it returns is called, once.
func (l *Lane) Busy() (over func()) {
	l.config.activity.begin()
	return l.config.activity.end
}

// Close frees everything that waits, and takes nothing more.
func (l *Lane) Close() {
	l.mu.Lock()
	l.closed = true
	l.signal()
	l.mu.Unlock()
	<-l.done
}

// run serves on a thread of its own if that is to stay on a node's CPUs.
func (l *Lane) run() {
	defer close(l.done)
	if l.config.cpus.Len() == 0 {
		l.serve()
		return
	}
	// Always nil: a thread that can't be pinned frees nonetheless.
	_ = kernel.InNewThread(func() error {
		_ = pin(l.config.cpus)
		l.serve()
		return nil
	})
}

func (l *Lane) serve() {
	for l.wait() {
		l.drain()
	}
}

// wait waits until something should be freed. False says that there will be
// nothing more.
func (l *Lane) wait() bool {
	for {
		n, closed := l.waiting()
		if closed {
			return n > 0
		}
		if n > 0 && l.due(n) {
			return true
		}
		var settled <-chan time.Time
		if n > 0 {
			settled = time.After(l.config.Settle)
		}
		select {
		case <-l.wake:
		case <-settled:
		}
	}
}

func (l *Lane) waiting() (n int, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending), l.closed
}

// due tells whether n things are to be freed now.
func (l *Lane) due(n int) bool {
	return n > l.config.HighWater || l.config.activity.quiet(l.config.Settle)
}

// drain frees what waits in one turn: a batch, cut short when somebody comes who
// waits for mount work, unless too much has piled up.
func (l *Lane) drain() {
	hold, err := l.config.turn.Take(context.Background(), l.config.index)
	if err != nil {
		return
	}
	defer hold.Release()
	for range l.config.items {
		f := l.take()
		if f == nil {
			return
		}
		f()
		n, closed := l.waiting()
		if !closed && n <= l.config.HighWater && l.config.activity.busy.Load() > 0 {
			return
		}
	}
}

func (l *Lane) take() func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) == 0 {
		return nil
	}
	f := l.pending[0]
	l.pending[0] = nil
	l.pending = l.pending[1:]
	l.freed++
	return f
}

// LaneStats are what a [Lane] holds and did.
type LaneStats struct {
	Pending int    `json:"pending"`
	Freed   uint64 `json:"freed"`
}

// Stats tells the present numbers.
func (l *Lane) Stats() LaneStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LaneStats{Pending: len(l.pending), Freed: l.freed}
}
