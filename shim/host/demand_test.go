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

func TestDemandFadesWhenCalm(t *testing.T) {
	d := demand{want: mostWarm, most: mostWarm}
	steps := 1
	for d.calmed() {
		steps++
	}
	if d.want != 1 || steps != 6 {
		t.Errorf("%d shall wait after %d steps, want 1 after 6", d.want, steps)
	}
	if d.calmed() || d.want != 1 {
		t.Errorf("%d shall wait in the end, want 1", d.want)
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
