package worker

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func TestLaneFreesWhenIdle(t *testing.T) {
	l := NewLane(LaneConfig{Settle: time.Millisecond})
	defer l.Close()
	var freed []int
	all := make(chan struct{})
	for i := range 10 {
		if !l.Free(func() {
			if freed = append(freed, i); len(freed) == 10 {
				close(all)
			}
		}) {
			t.Fatal("refused")
		}
	}
	<-all
	if !slices.Equal(freed, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Errorf("freed %v", freed)
	}
}

// TestLaneWaits: nothing is freed while somebody waits for mount work.
func TestLaneWaits(t *testing.T) {
	l := NewLane(LaneConfig{Settle: time.Millisecond, HighWater: 100})
	defer l.Close()
	over := l.Busy()
	var freed atomic.Int64
	for range 100 {
		l.Free(func() { freed.Add(1) })
	}
	time.Sleep(50 * time.Millisecond) // fifty times as long as it would wait when idle
	if n := freed.Load(); n != 0 {
		t.Errorf("%d freed in the way of a start", n)
	}
	over()
	eventually(t, "all freed", func() bool { return freed.Load() == 100 })
	if s := l.Stats(); s.Pending != 0 || s.Freed != 100 {
		t.Errorf("%+v", s)
	}
}

// TestLaneHighWater: what piles up past the mark is freed all the same, down to
// the mark.
func TestLaneHighWater(t *testing.T) {
	l := NewLane(LaneConfig{Settle: time.Millisecond, HighWater: 10})
	defer l.Close()
	defer l.Busy()()
	var freed atomic.Int64
	for range 30 {
		l.Free(func() { freed.Add(1) })
	}
	eventually(t, "20 freed", func() bool { return freed.Load() == 20 })
	time.Sleep(20 * time.Millisecond)
	if n := freed.Load(); n != 20 {
		t.Errorf("%d freed, want 20", n)
	}
}

// TestLaneYields: who comes while the lane frees waits for one thing at most.
func TestLaneYields(t *testing.T) {
	l := NewLane(LaneConfig{Settle: time.Millisecond, items: 100})
	defer l.Close()
	begun, proceed := make(chan struct{}), make(chan struct{})
	var freed atomic.Int64
	l.Free(func() { close(begun); <-proceed; freed.Add(1) })
	for range 9 {
		l.Free(func() { freed.Add(1) })
	}
	<-begun
	over := l.Busy()
	close(proceed)
	eventually(t, "the first freed", func() bool { return freed.Load() > 0 })
	time.Sleep(20 * time.Millisecond)
	if n := freed.Load(); n != 1 {
		t.Errorf("%d freed, want 1", n)
	}
	over()
	eventually(t, "all freed", func() bool { return freed.Load() == 10 })
}

// TestLaneCloses: everything is freed at the end, whoever is busy.
func TestLaneCloses(t *testing.T) {
	l := NewLane(LaneConfig{Settle: time.Hour})
	over := l.Busy()
	defer over()
	var freed atomic.Int64
	for range 50 {
		l.Free(func() { freed.Add(1) })
	}
	l.Close()
	if n := freed.Load(); n != 50 {
		t.Errorf("%d freed, want 50", n)
	}
	if l.Free(func() {}) {
		t.Error("a closed lane took something")
	}
}
