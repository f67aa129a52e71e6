package rootfs

import (
	"errors"
	"sync"
	"testing"
	"time"
)

func TestPool(t *testing.T) {
	var freed []int
	p := newPool[string](func(v int) { freed = append(freed, v) })
	next := 0
	makeNext := func() (int, error) { next++; return next, nil }
	a, err := p.acquire("x", makeNext)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.acquire("x", makeNext)
	if err != nil {
		t.Fatal(err)
	}
	if a.value != 1 || b.value != 1 {
		t.Errorf("got %d and %d, want one value", a.value, b.value)
	}
	a.Release()
	a.Release()
	if values, users := p.count(); values != 1 || users != 1 || len(freed) != 0 {
		t.Errorf("one user left: %d values, %d users, freed %v", values, users, freed)
	}
	b.Release()
	if values, _ := p.count(); values != 0 || len(freed) != 1 {
		t.Errorf("no user left: %d values, freed %v", values, freed)
	}
}

// TestPoolFailure checks that everyone who waits for a value gets its error, and
// that the next one tries again.
func TestPoolFailure(t *testing.T) {
	p := newPool[string](func(int) { t.Error("freed what was never made") })
	bad := errors.New("bad")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := p.acquire("x", func() (int, error) { return 0, bad }); !errors.Is(err, bad) {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if values, users := p.count(); values != 0 || users != 0 {
		t.Errorf("%d values, %d users", values, users)
	}
	p.free = func(int) {}
	l, err := p.acquire("x", func() (int, error) { return 3, nil })
	if err != nil || l.value != 3 {
		t.Errorf("got %v, %v", l, err)
	}
	l.Release()
}

// TestQueueOrder checks that what somebody waits for overtakes what frees.
func TestQueueOrder(t *testing.T) {
	q := newQueue()
	var ran []string
	note := func(s string) func() { return func() { ran = append(ran, s) } }
	q.whenIdle(note("free 1"))
	q.whenIdle(note("free 2"))
	q.push(&q.urgent, note("start 1"))
	q.push(&q.urgent, note("start 2"))
	called := make(chan bool)
	go func() { called <- q.call(note("start 3")) }()
	for urgent := 0; urgent < 3; time.Sleep(time.Millisecond) {
		q.mu.Lock()
		urgent = len(q.urgent)
		q.mu.Unlock()
	}
	go q.run()
	if !<-called {
		t.Error("not run")
	}
	q.close()
	q.close()
	want := []string{"start 1", "start 2", "start 3", "free 1", "free 2"}
	for i := range want {
		if i >= len(ran) || ran[i] != want[i] {
			t.Fatalf("got %v, want %v", ran, want)
		}
	}
	if q.call(note("late")) || q.whenIdle(note("late")) {
		t.Error("a closed queue took something")
	}
}
