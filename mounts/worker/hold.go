package worker

import (
	"sync/atomic"
	"time"
)

// Hold is a turn taken. The nil Hold is that of the nil [Turn].
type Hold struct {
	turn     *Turn
	released atomic.Bool
}

// Release lets the turn go; a second call does nothing.
func (h *Hold) Release() {
	if h == nil || !h.released.CompareAndSwap(false, true) {
		return
	}
	h.turn.mu.Lock()
	defer h.turn.mu.Unlock()
	h.turn.release()
	h.turn.letIn()
}

// Lease is a turn lent to somebody who does mount work on his own: libcontainer's
// init, for one. It ends by itself when its time is over, so that who is stopped
// or forgets it blocks nobody for longer.
type Lease struct {
	hold  *Hold
	timer *time.Timer
	over  func() // called once when it ends
	ended atomic.Bool
}

// newLease lends the hold; late is called if the time ends it.
func newLease(hold *Hold, most time.Duration, over, late func()) *Lease {
	l := &Lease{hold: hold, over: over}
	l.timer = time.AfterFunc(most, func() { l.end(late) })
	return l
}

// Release gives the turn back; a second call does nothing. The nil Lease has
// nothing to give back.
func (l *Lease) Release() {
	if l != nil && l.end(func() {}) {
		l.timer.Stop()
	}
}

// end ends the lease, and calls before first, so that whoever has the turn next finds
// it done; false says that the lease had ended already.
func (l *Lease) end(before func()) bool {
	if !l.ended.CompareAndSwap(false, true) {
		return false
	}
	before()
	l.hold.Release()
	l.over()
	return true
}
