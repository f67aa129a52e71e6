package worker

import (
	"time"

	"tango/mounts/topology"
)

// Config says how [Workers] work. The zero value has the defaults.
type Config struct {
	// Queue is how many jobs may wait for one worker before callers wait for
	// room; 256 if 0.
	Queue int
	// BatchItems is how many jobs a worker takes at once; 16 if 0.
	BatchItems int
	// BatchTime is after which time a worker lets others have the turn, even if
	// its batch is not done; 2 ms if 0. One job always runs to its end.
	BatchTime time.Duration
	// InARow is how many turns a node gets while another node waits; if 0, 4, or
	// Abreast if that is more: with less, fewer than that would ever be let in at
	// once while nodes take turns.
	InARow int
	// Abreast is how many holders of one node may have the turn at the same
	// time, its worker and leases together; 0 for any number.
	Abreast int
	// HighWater and Settle are those of the lanes, see [LaneConfig].
	HighWater int
	Settle    time.Duration
}

func (c Config) withDefaults() Config {
	if c.Queue <= 0 {
		c.Queue = 256
	}
	if c.BatchItems <= 0 {
		c.BatchItems = 16
	}
	if c.BatchTime <= 0 {
		c.BatchTime = 2 * time.Millisecond
	}
	if c.InARow <= 0 {
		c.InARow = max(4, c.Abreast)
	}
	return c
}

// UsualAbreast is how many containers should be doing their mount work at once on a node
// of this machine: as many as its CPUs can run, but four, since some wait for grace periods
// now and then. With less, CPUs were idle. With more, programs that have no part in it
// waited longer for a CPU (docs/numa.md).
func UsualAbreast(m *topology.Machine) int {
	most := 4
	for _, n := range m.Nodes() {
		most = max(most, n.CPUs.Len())
	}
	return most
}
