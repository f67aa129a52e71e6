package operator

import "fmt"

// Contention says what the hardware means for mount work that contends for the
// kernel's global mount locks. The ranking is Netflix's, from bursts of starts on
// AWS machines ("Mount Mayhem at Netflix: Scaling Containers on Modern CPUs",
// 2026): r5.metal with two sockets worst, m7i with one mesh better, m7a with
// chiplets best, and 20 to 30 % better with SMT off.
type Contention struct {
	// Class ranks the machine.
	Class Class `json:"class"`
	// Notes explain it.
	Notes []string `json:"notes"`
}

// Class is a place in the ranking.
type Class string

// The classes, worst first.
const (
	Worst      Class = "worst"  // several sockets
	Middle     Class = "middle" // one socket, one cache
	Best       Class = "best"   // one socket, several caches
	CannotTell Class = "unknown"
)

// contention judges the machine.
func contention(m Machine) Contention {
	c := Contention{Class: CannotTell}
	caches := len(m.L3)
	switch {
	case len(m.Sockets) > 1:
		c.Class = Worst
		c.note("%d sockets: the cache lines of the kernel's global mount locks travel between them. "+
			"Netflix found dual-socket machines the worst for containers that start in bursts.", len(m.Sockets))
	case caches > 1:
		c.Class = Best
		c.note("One socket, %d L3 caches (chiplets): Netflix found such CPUs the best for containers that start in bursts.", caches)
	case caches == 1:
		c.Class = Middle
		c.note("One socket, one L3 cache: mount locks stay on the chip. " +
			"Netflix found such machines better than dual-socket ones, and chiplet CPUs, with several L3 caches, better still.")
	default:
		c.note("One socket, caches not told: whether this is a chiplet CPU, which Netflix found the best, can't be said.")
	}
	if m.Threads > 1 {
		c.note("SMT is on (%d threads a core). Netflix measured 20 to 30 %% better with it off.", m.Threads)
	}
	if m.Virtual {
		c.note("This is a virtual machine: sockets, caches and SMT are what the hypervisor tells, not always what there is.")
	}
	return c
}

func (c *Contention) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}
