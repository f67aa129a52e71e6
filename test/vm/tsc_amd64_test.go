package main

import (
	"math"
	"testing"
	"time"
)

// The counter goes on at the frequency that was measured, whatever else runs.
func TestFrequencyOfTheTSC(t *testing.T) {
	f := kilohertzTSC()
	from, ticks := momentOfTSC()
	time.Sleep(100 * time.Millisecond)
	to, moreTicks := momentOfTSC()
	if got := float64(moreTicks-ticks) / to.Sub(from).Seconds() / 1000 / f; math.Abs(got-1) > 0.001 {
		t.Errorf("%.0f kHz, and then %.5f times that", f, got)
	}
}
