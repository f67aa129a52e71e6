package worker

import (
	"sync/atomic"
	"time"
)

// activity tells whether anybody waits for mount work or does any.
type activity struct {
	busy atomic.Int64
	last atomic.Int64 // end of something, in ns since epoch
}

// epoch is when this process began, for a clock that never jumps.
var epoch = time.Now()

func (a *activity) begin() { a.busy.Add(1) }

func (a *activity) end() {
	a.last.Store(int64(time.Since(epoch)))
	a.busy.Add(-1)
}

// quiet tells whether nothing has gone on for so long.
func (a *activity) quiet(long time.Duration) bool {
	return a.busy.Load() == 0 && time.Since(epoch)-time.Duration(a.last.Load()) >= long
}
