package host

import "testing"

func TestDemandFollowsWaves(t *testing.T) {
	d := newDemand(24 << 30)
	d.missed()
	if d.want != 1 {
		t.Errorf("after the first start ever %d shall wait, want 1: it finds none in any case", d.want)
	}
	for range 9 {
		d.missed()
	}
	if d.want != 10 {
		t.Errorf("after nine starts that found none %d shall wait, want 10", d.want)
	}
	for range 1000 {
		d.missed()
	}
	if d.want != mostWarm {
		t.Errorf("after a thousand %d shall wait, want %d", d.want, mostWarm)
	}
}

func TestDemandShrinksWhenCalm(t *testing.T) {
	d := demand{want: mostWarm, most: mostWarm}
	steps := 1
	for d.shrink() {
		steps++
	}
	if d.want != 1 || steps != 6 {
		t.Errorf("%d shall wait after %d steps, want 1 after 6", d.want, steps)
	}
	if d.shrink() || d.want != 1 {
		t.Errorf("%d shall wait in the end, want 1", d.want)
	}
}

// Who starts a container every few seconds must not keep what a wave has called for.
func TestDemandTellsWavesFromSingleStarts(t *testing.T) {
	for _, c := range []struct {
		want, left int
		wave       bool
	}{
		{1, 0, false}, // the usual case: one waits, one is taken
		{2, 1, false},
		{2, 0, true},
		{64, 63, false},
		{64, 32, false},
		{64, 31, true},
		{64, 0, true},
	} {
		d := demand{want: c.want, most: mostWarm}
		if got := d.wave(c.left); got != c.wave {
			t.Errorf("of %d that shall wait %d are left: a wave is %v, want %v", c.want, c.left, got, c.wave)
		}
	}
}

func TestDemandLeavesMemoryToOthers(t *testing.T) {
	for _, c := range []struct {
		memory uint64
		want   int
	}{
		{0, 1}, // a kernel that doesn't say
		{512 << 20, 1},
		{4 << 30, 13},
		{24 << 30, mostWarm},
		{1 << 40, mostWarm},
	} {
		if got := newDemand(c.memory).most; got != c.want {
			t.Errorf("with %d MiB of memory at most %d wait, want %d", c.memory>>20, got, c.want)
		}
	}
}
