package host

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// mostWarm bounds how many warm shims wait on a machine that has the memory for them:
	// after a wave that took them all, the next has 64 of 100 containers' shims ready.
	mostWarm = 64
	// warmSize is what one of them has in memory, in bytes, without what it shares.
	warmSize = 3 << 20
	// warmShare is the part of the machine's memory that all of them may have: one in so many.
	warmShare = 100

	// calm is for how long after a wave as many wait as it would have taken, since another
	// may follow. Then half of them go, and each fade another half: the 63 that are too
	// many are gone 17 s after the wave.
	calm = 12 * time.Second
	fade = time.Second
)

// demand is how many warm shims shall wait. One does, always, once somebody has asked.
// Containers that start in numbers come in waves, which are bound by the processors, and
// a warm shim spares a start a fifth of its CPU time. So each start that finds none has
// the next wave find one more; and when there are no waves, they go.
type demand struct {
	want  int
	most  int
	asked bool // whether somebody has ever
}

func newDemand(memory uint64) demand { return demand{want: 1, most: mostWarmIn(memory)} }

// missed takes note of a start for which there was no warm shim. The first finds
// none in any case.
func (d *demand) missed() {
	if d.asked {
		d.want = min(d.want+1, d.most)
	}
	d.asked = true
}

// wave tells whether so many starts have come at once that only left are left: more than
// half are gone. A start now and then is none, whatever a wave has had wait.
func (d *demand) wave(left int) bool { return d.want > 1 && 2*(d.want-left) > d.want }

// shrink takes note that there has been no wave for a while, and tells whether still fewer
// shall wait after another while.
func (d *demand) shrink() (again bool) {
	d.want = (d.want + 1) / 2
	return d.want > 1
}

// mostWarmIn is how many may wait on a machine with so much memory, in bytes.
func mostWarmIn(memory uint64) int {
	return int(min(mostWarm, max(1, memory/warmShare/warmSize)))
}

// memory is how much the machine has, in bytes; 0 if the kernel doesn't say.
func memory() uint64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return uint64(info.Totalram) * uint64(info.Unit) //nolint:unconvert // narrower on 32 bits
}
