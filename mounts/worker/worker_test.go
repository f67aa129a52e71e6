package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/mountns"
	"tango/mounts/topology"
)

// queueUp gives jobs to the worker in this order and returns what waits for all.
func queueUp(t *testing.T, w *Worker, jobs ...Job) (wait func()) {
	t.Helper()
	var all sync.WaitGroup
	for _, j := range jobs {
		before := len(w.queue)
		all.Go(func() {
			if err := w.Do(patient(t), j); err != nil {
				t.Error(err)
			}
		})
		eventually(t, "job in the queue", func() bool { return len(w.queue) > before })
	}
	return all.Wait
}

func TestBatchOrder(t *testing.T) {
	w, release := oneWorker(t, workerConfig{})
	var ran []string
	job := func(name string, c Class) Job {
		return Job{Class: c, Run: func() error { ran = append(ran, name); return nil }}
	}
	wait := queueUp(t, w, job("detach 1", Detach), job("attach 1", Attach), job("build 1", Build),
		job("detach 2", Detach), job("build 2", Build), job("attach 2", Attach))
	release()
	wait()
	want := []string{"build 1", "build 2", "attach 1", "attach 2", "detach 1", "detach 2"}
	if !slices.Equal(ran, want) {
		t.Errorf("ran %q, want %q", ran, want)
	}
	s := w.counters.stats()
	if s.Batches != 2 || s.Largest != 6 || s.Built != 3 || s.Attached != 2 || s.Detached != 2 {
		t.Errorf("counted %+v", s)
	}
}

// TestBatchBounds: a turn ends with the batch, or when its time is over; what is
// left of the batch goes first in the next, so that nothing is put off for ever.
func TestBatchBounds(t *testing.T) {
	for _, c := range []struct {
		name  string
		items int
		span  time.Duration
		turns uint64
	}{
		{"in items", 3, time.Hour, 1 + 3},
		{"in time", 100, time.Nanosecond, 1 + 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			turn := NewTurn(2, 4, 0)
			w, release := oneWorker(t, workerConfig{turn: turn, items: c.items, span: c.span})
			var ran []int
			var jobs []Job
			for i := range 9 {
				jobs = append(jobs, Job{Class: Class(i % 3), Run: func() error { ran = append(ran, i); return nil }})
			}
			wait := queueUp(t, w, jobs...)
			release()
			wait()
			if got := turn.Stats().Taken; got != c.turns {
				t.Errorf("%d turns, want %d", got, c.turns)
			}
			if len(ran) != 9 {
				t.Errorf("ran %v", ran)
			}
		})
	}
}

func TestJobError(t *testing.T) {
	w, release := oneWorker(t, workerConfig{})
	release()
	if err := w.Do(patient(t), Job{Run: func() error { return unix.EMFILE }}); !errors.Is(err, unix.EMFILE) {
		t.Errorf("%v, want EMFILE", err)
	}
}

// TestDroppedInQueue: who is gone before the worker comes to the job gets
// nothing done.
func TestDroppedInQueue(t *testing.T) {
	w, release := oneWorker(t, workerConfig{})
	ctx, cancel := context.WithCancel(context.Background())
	var ran atomic.Bool
	ended := make(chan error)
	go func() {
		ended <- w.Do(ctx, Job{Run: func() error { ran.Store(true); return nil }, Discard: func() { ran.Store(true) }})
	}()
	eventually(t, "job in the queue", func() bool { return len(w.queue) == 1 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	release()
	must(t, w.Do(patient(t), Job{Run: func() error { return nil }}))
	if ran.Load() {
		t.Error("the job ran")
	}
	if s := w.counters.stats(); s.Dropped != 1 {
		t.Errorf("counted %+v", s)
	}
}

// TestDiscarded: what is made for somebody who is gone is disposed of.
func TestDiscarded(t *testing.T) {
	w, release := oneWorker(t, workerConfig{})
	release()
	ctx, cancel := context.WithCancel(context.Background())
	made, discarded := make(chan struct{}), make(chan struct{})
	proceed := make(chan struct{})
	go func() {
		<-made
		cancel()
	}()
	err := w.Do(ctx, Job{
		Run:     func() error { close(made); <-proceed; return nil },
		Discard: func() { close(discarded) },
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	close(proceed)
	<-discarded
}

// TestBackPressure: where there is no room, who comes waits, and may give up.
func TestBackPressure(t *testing.T) {
	w, release := oneWorker(t, workerConfig{queue: 1})
	wait := queueUp(t, w, Job{Run: func() error { return nil }})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.Do(ctx, Job{Run: func() error { t.Error("ran"); return nil }}) }()
	select {
	case err := <-ended:
		t.Fatalf("did not wait: %v", err)
	default:
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	release()
	wait()
}

// TestClose: what runs is finished, what is queued is not begun, what comes later
// is refused.
func TestClose(t *testing.T) {
	w, release := oneWorker(t, workerConfig{})
	ended := make(chan error)
	go func() { ended <- w.Do(patient(t), Job{Run: func() error { t.Error("ran"); return nil }}) }()
	eventually(t, "job in the queue", func() bool { return len(w.queue) == 1 })
	closed := make(chan struct{})
	go func() { w.Close(); close(closed) }()
	<-w.quit
	release()
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("%v, want %v", err, ErrClosed)
	}
	<-closed
	if err := w.Do(patient(t), Job{Run: func() error { t.Error("ran"); return nil }}); !errors.Is(err, ErrClosed) {
		t.Errorf("%v, want %v", err, ErrClosed)
	}
}

// TestCloseUnderLoad: senders never meet a closed channel, and none is left
// behind, whenever the worker ends.
func TestCloseUnderLoad(t *testing.T) {
	for range 50 {
		w, err := startWorker(workerConfig{queue: 2, items: 4}, &activity{})
		must(t, err)
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for {
					if err := w.Do(patient(t), Job{Run: func() error { return nil }}); err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		runtime.Gosched()
		w.Close()
		all.Wait()
	}
}

func threadNamespace(t *testing.T) string {
	link, err := os.Readlink("/proc/thread-self/ns/mnt")
	if err != nil {
		t.Error(err)
	}
	return link
}

// TestMovesBack: after a job that moves, the thread is where it was.
func TestMovesBack(t *testing.T) {
	w, release := oneWorker(t, workerConfig{})
	release()
	before := threadNamespace(t)
	var inside string
	must(t, w.Do(patient(t), Job{Moves: true, Run: func() error {
		if err := kernel.UnshareNamespace(); err != nil {
			return err
		}
		inside = threadNamespace(t)
		return unix.Chdir("/proc")
	}}))
	if inside == before || inside == "" {
		t.Errorf("the job ran in %s", inside)
	}
	must(t, w.Do(patient(t), Job{Run: func() error {
		if now := threadNamespace(t); now != before {
			t.Errorf("the thread is in %s, and was in %s", now, before)
		}
		if dir, err := unix.Getwd(); err != nil || dir != "/" {
			t.Errorf("the thread is in directory %s: %v", dir, err)
		}
		return nil
	}}))
	if now := threadNamespace(t); now != before {
		t.Errorf("the test's thread is in %s", now)
	}
}

// TestStray: a thread that can't be brought back is replaced, and what was in its
// batch is run by the next.
func TestStray(t *testing.T) {
	w, release := oneWorker(t, workerConfig{})
	var first, second int
	wait := queueUp(t, w,
		Job{Moves: true, Run: func() error {
			first = unix.Gettid()
			// Without the right to enter namespaces there is no way back.
			return dropCapability(unix.CAP_SYS_ADMIN)
		}},
		Job{Run: func() error { second = unix.Gettid(); return nil }},
	)
	release()
	wait()
	if first == second || second == 0 {
		t.Errorf("ran on threads %d and %d", first, second)
	}
}

func dropCapability(c int) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[c/32].Effective &^= 1 << (c % 32)
	return unix.Capset(&header, &data[0])
}

// TestPinned: the thread runs on the node's CPUs only, it is not the first
// thread, and it goes with the worker.
func TestPinned(t *testing.T) {
	cpu := allowed(t)[0]
	cpus, err := topology.ParseCPUSet(fmt.Sprint(cpu))
	must(t, err)
	w, err := startWorker(workerConfig{cpus: cpus, queue: 1, items: 1}, &activity{})
	must(t, err)
	defer w.Close()
	var tid int
	must(t, w.Do(patient(t), Job{Run: func() error {
		tid = unix.Gettid()
		if now := currentCPU(); now != cpu {
			t.Errorf("runs on CPU %d, want %d", now, cpu)
		}
		return nil
	}}))
	if got := affinity(t, tid); got != cpus.String() {
		t.Errorf("may run on %s, want %s", got, cpus)
	}
	if tid == os.Getpid() {
		t.Error("runs on the process's first thread")
	}
	// New threads, which may start processes, must not inherit that.
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			runtime.LockOSThread() // never unlocked: it must be a thread of its own
			if len(allowed(t)) < 2 && runtime.NumCPU() > 1 {
				t.Error("a thread inherited the worker's CPUs")
			}
		})
	}
	all.Wait()
	w.Close()
	eventually(t, "end of the thread", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid))
		return errors.Is(err, os.ErrNotExist)
	})
}

func affinity(t *testing.T, tid int) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/status", tid))
	must(t, err)
	_, after, _ := strings.Cut(string(data), "Cpus_allowed_list:")
	line, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(line)
}

func TestPinFails(t *testing.T) {
	cpus, err := topology.ParseCPUSet("8000")
	must(t, err)
	if w, err := startWorker(workerConfig{cpus: cpus, queue: 1, items: 1}, &activity{}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("%v, %v, want EINVAL", w, err)
	}
}

// BenchmarkMove compares the two ways to run a job that makes a mount namespace
// from a lean one: on the worker's thread, which then goes back, and on one that
// is thrown away. They take turns, since machines have moods.
func BenchmarkMove(b *testing.B) {
	lean := leanNamespace(b)
	w, err := startWorker(workerConfig{queue: 16, items: 16, span: 1e6}, &activity{})
	must(b, err)
	defer w.Close()
	var made *kernel.Namespace
	fork := func() (err error) {
		if err = lean.Enter(); err != nil {
			return err
		}
		if err = kernel.UnshareNamespace(); err != nil {
			return err
		}
		made, err = kernel.CurrentNamespace()
		return err
	}
	var took [2][]time.Duration
	for b.Loop() {
		for i, job := range []Job{
			{Moves: true, Run: fork},
			{Run: func() error { return kernel.InNewThread(fork) }},
		} {
			begin := time.Now()
			must(b, w.Do(context.Background(), job))
			took[i] = append(took[i], time.Since(begin))
			must(b, made.Close())
		}
	}
	for i, name := range []string{"back-ns", "thrown-ns"} {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][len(took[i])/2]), name)
	}
}

// leanNamespace is what containers' mount namespaces are made from.
func leanNamespace(b *testing.B) *kernel.Namespace {
	template, err := mountns.Open(b.TempDir(), b.TempDir())
	must(b, err)
	b.Cleanup(func() { must(b, template.Close()) })
	ns, err := kernel.OpenNamespace(fmt.Sprintf("/proc/self/fd/%d", template.File().Fd()))
	must(b, err)
	b.Cleanup(func() { ns.Close() })
	return ns
}

// BenchmarkDo is what handing a job to the worker costs.
func BenchmarkDo(b *testing.B) {
	w, err := startWorker(workerConfig{queue: 16, items: 16, span: 1e6}, &activity{})
	must(b, err)
	defer w.Close()
	b.ReportAllocs()
	for b.Loop() {
		must(b, w.Do(context.Background(), Job{Run: func() error { return nil }}))
	}
}
