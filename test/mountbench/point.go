package main

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tango/test/program"
	"tango/test/stats"
)

// point is what one measurement has shown: one way with one number of threads.
type point struct {
	Way     string  `json:"way"`
	Threads int     `json:"threads"`
	Roots   int     `json:"roots"`   // made and taken away
	Seconds float64 `json:"seconds"` // until the last one was gone
	P50     float64 `json:"p50_ms"`  // from the beginning until the root is attached
	P90     float64 `json:"p90_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
	Gone    float64 `json:"gone_p50_ms"` // from when a root is no longer needed until it is gone
}

// rate is the throughput in roots per second.
func (p point) rate() float64 { return float64(p.Roots) / p.Seconds }

// rush is the threads of one measurement.
type rush struct {
	way   way
	bed   *bed
	until time.Time
	left  atomic.Int64 // roots that may still be made
	made  atomic.Int64 // for the progress

	mu    sync.Mutex
	ready []float64 // guarded by mu, in milliseconds, as all times
	gone  []float64 // guarded by mu
	errs  []error   // guarded by mu
}

// unbounded is a count that no measurement reaches.
const unbounded = 1 << 40

// measurePoint has threads make and take away roots until the time or the count
// is over. Every while it tells progress how many there were.
func measurePoint(ctx context.Context, b *bed, name string, threads int, s settings, progress func(made int64)) (_ point, retErr error) {
	w, err := openWay(name, b)
	if err != nil {
		return point{}, err
	}
	defer func() { retErr = errors.Join(retErr, w.close()) }()
	l := &rush{way: w, bed: b}
	l.left.Store(unbounded)
	if s.count > 0 {
		l.left.Store(int64(s.count))
	}
	defer l.watch(progress)()
	began := time.Now()
	l.until = began.Add(s.time)
	l.run(ctx, threads)
	took := time.Since(began).Seconds()
	if err := errors.Join(l.errs...); err != nil {
		return point{}, err
	}
	if err := ctx.Err(); err != nil {
		return point{}, err
	}
	return l.point(name, threads, took), nil
}

// run returns when all threads are done and everything is gone.
func (l *rush) run(ctx context.Context, threads int) {
	// A thread that comes back from the kernel must not have to wait for a
	// processor of the language's.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads + 4))
	var crew sync.WaitGroup
	for range threads {
		crew.Go(func() {
			runtime.LockOSThread() // for good: a way may change what is the thread's own
			for ctx.Err() == nil && time.Now().Before(l.until) && l.left.Add(-1) >= 0 {
				if !l.one(ctx) {
					return
				}
			}
		})
	}
	crew.Wait()
	for range l.bed.slots { // all are free again
		defer func(s *slot) { l.bed.free <- s }(<-l.bed.free)
	}
}

// one makes a root and takes it away. False ends the thread.
func (l *rush) one(ctx context.Context) bool {
	var s *slot
	select {
	case s = <-l.bed.free: // there are enough, unless taking away cannot keep up
	case <-ctx.Done():
		return false
	}
	began := time.Now()
	if err := l.way.build(ctx, s); err != nil {
		l.fail(err)
		l.bed.free <- s
		return false
	}
	built := time.Now()
	l.way.remove(s, func(err error) {
		l.removed(built.Sub(began), time.Since(built), err)
		l.bed.free <- s
	})
	l.made.Add(1)
	return true
}

func (l *rush) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

func (l *rush) removed(ready, gone time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ready, l.gone = append(l.ready, program.Milliseconds(ready)), append(l.gone, program.Milliseconds(gone))
	if err != nil {
		l.errs = append(l.errs, err)
	}
}

// watch tells progress how many roots were made until the function that it
// returns is called.
func (l *rush) watch(progress func(int64)) func() {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				progress(l.made.Load())
			case <-stop:
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

func (l *rush) point(name string, threads int, took float64) point {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.ready)
	at := func(q float64) float64 { return stats.Quantile(l.ready, q) }
	return point{
		Way: name, Threads: threads, Roots: len(l.ready), Seconds: took,
		P50: at(0.5), P90: at(0.9), P99: at(0.99), Max: at(1), Gone: stats.QuantileOf(l.gone, 0.5),
	}
}
