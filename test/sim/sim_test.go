package main

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
)

// alone is a machine on which nobody meets anybody.
func alone() params {
	p := defaults()
	p.threads, p.sockets = 1, 1
	return p
}

func within(t *testing.T, what string, got, want, part float64) {
	t.Helper()
	if math.Abs(got-want) > part*want {
		t.Errorf("%s: %g, want %g", what, got, want)
	}
}

// TestAlone: one thread takes exactly what its work takes.
func TestAlone(t *testing.T) {
	p := alone()
	work := 30*p.hold + 29*p.gap
	for _, c := range []struct {
		name string
		way  way
		want time.Duration
	}{
		{"unserialised", &unserialised{}, work},
		{"polling", &unserialised{polling: true}, work},
		{"one lock", &oneLock{}, work},
		{"worker", &cohort{}, work + 2*p.wake + 12*p.local},
	} {
		if got := run(p, c.way, time.Second).p99; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestSaturated: with more threads than it takes, throughput is what the one
// resource allows, which can be told without a simulation.
func TestSaturated(t *testing.T) {
	p := defaults()
	p.threads, p.think, p.sockets = 512, 0, 4
	section := p.hold + 12*(3*p.remote+p.local)/4
	got := run(p, &unserialised{}, time.Second)
	within(t, "unserialised", got.perSecond, 1/(30*section).Seconds(), 0.10)

	whole := 30*p.hold + 29*p.gap + 12*p.local
	perBatch := p.wake + 12*p.remote
	got = run(p, &cohort{}, time.Second)
	within(t, "worker", got.perSecond, 1/(whole+perBatch/16).Seconds(), 0.02)
	within(t, "worker's remote hand-overs", got.remote, 1.0/16, 0.02)
}

// TestEverybodyIsServed: no socket starves behind another's batches.
func TestEverybodyIsServed(t *testing.T) {
	p := defaults()
	p.threads, p.think, p.sockets = 64, 0, 8
	served := make(map[int]int)
	m := &spy{cohort: &cohort{}, served: served}
	run(p, m, time.Second)
	for socket := range 8 {
		if served[socket] < served[(socket+1)%8]*9/10 {
			t.Errorf("roots asked for by socket: %v", served)
		}
	}
}

// spy counts who asks: each thread asks again when it has been served.
type spy struct {
	*cohort
	served map[int]int
}

func (s *spy) ask(m *machine, thread int) {
	s.served[m.socketOf(thread)]++
	s.cohort.ask(m, thread)
}

// TestRepeatable: the same parameters give the same numbers, and all pictures.
func TestRepeatable(t *testing.T) {
	var first, second bytes.Buffer
	s := sweep(defaults(), 20*time.Millisecond)
	s.print(&first)
	sweep(defaults(), 20*time.Millisecond).print(&second)
	if first.String() != second.String() {
		t.Errorf("%s\nand then\n%s", first.String(), second.String())
	}
	if n := strings.Count(first.String(), "\n"); n != 1+18+7 {
		t.Errorf("%d lines", n)
	}
	if err := s.draw(t.TempDir()); err != nil {
		t.Error(err)
	}
}
