package contention

import "strings"

// Flags say what sort of lock a wait is for, from LCB_F_* in
// include/trace/events/lock.h.
type Flags uint32

// Sorts of locks, and what for.
const (
	Spin Flags = 1 << iota // waits by spinning: a spinlock, or the first part of a mutex' wait
	Read
	Write
	RealTime
	PerCPU
	Mutex
)

var flagNames = []string{"spin", "read", "write", "rt", "percpu", "mutex"}

func (f Flags) String() string {
	var names []string
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "other"
	}
	return strings.Join(names, "|")
}
