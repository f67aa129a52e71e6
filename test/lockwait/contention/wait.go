package contention

import (
	"cmp"
	"slices"
	"time"
)

// Wait is one wait of one thread for one lock.
type Wait struct {
	Began, Ended time.Duration // CLOCK_MONOTONIC
	PID, TID     uint32
	Comm         string   // name of the thread when it began to wait
	Lock         uint64   // address
	Flags        Flags    // the sort of lock
	Stack        []uint64 // the kernel's, the innermost function first; shared, not to be changed
}

// Time is how long it waited.
func (w Wait) Time() time.Duration { return w.Ended - w.Began }

// key tells waits apart: a thread waits for one lock at a time, but an interrupt
// may make it wait for another one meanwhile. The idle threads of all CPUs are 0.
type key struct {
	tid, cpu uint32
	lock     uint64
}

func (e event) key() key {
	k := key{tid: e.tid, lock: e.lock}
	if e.tid == 0 {
		k.cpu = e.cpu
	}
	return k
}

// pair finds the waits in the events of all CPUs. The events may be in any
// order. Waits without an end, and ends without a beginning, are left out.
func pair(events []event, stacks [][]uint64, comms map[uint32]string) []Wait {
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.time, b.time) })
	open := make(map[key]event)
	var waits []Wait
	for _, e := range events {
		switch e.kind {
		case named:
			comms[e.tid] = e.comm
		case forked:
			comms[e.tid] = comms[e.other]
		case begin:
			// A mutex says it twice: when it begins to spin and when it sleeps.
			if _, waiting := open[e.key()]; !waiting {
				e.comm = comms[e.tid]
				open[e.key()] = e
			}
		case end:
			if b, waiting := open[e.key()]; waiting {
				delete(open, e.key())
				waits = append(waits, b.until(e, stacks))
			}
		}
	}
	return waits
}

// until makes a wait of its beginning and its end.
func (e event) until(end event, stacks [][]uint64) Wait {
	return Wait{
		Began: time.Duration(e.time), Ended: time.Duration(end.time), PID: e.pid, TID: e.tid, Comm: e.comm,
		Lock: e.lock, Flags: e.flags, Stack: stacks[e.stack],
	}
}
