package main

import (
	"fmt"
	"time"
)

// readTSC returns this machine's time stamp counter.
func readTSC() uint64

// emulatedClocks have a guest's kernel trust the TSC: QEMU derives it from the
// host's, one for all CPUs, but by itself the kernel takes several sockets for a
// reason not to, and reads the HPET instead, one CPU at a time, with a system call
// each. It is told the frequency: one that it finds out on a busy host may be off
// by any factor, and then the guest's seconds are.
func emulatedClocks() []string {
	return []string{"tsc=reliable", fmt.Sprintf("tsc_early_khz=%d", int(kilohertzTSC()+0.5))}
}

// kilohertzTSC measures this machine's.
func kilohertzTSC() float64 {
	from, ticks := momentOfTSC()
	time.Sleep(200 * time.Millisecond)
	to, moreTicks := momentOfTSC()
	return float64(moreTicks-ticks) / to.Sub(from).Seconds() / 1000
}

// momentOfTSC reads both clocks, until nothing came between.
func momentOfTSC() (at time.Time, ticks uint64) {
	least := time.Hour
	for range 100 {
		before := time.Now()
		now := readTSC()
		if took := time.Since(before); took < least {
			least, at, ticks = took, before, now
		}
	}
	return at, ticks
}
