package worker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/topology"
	"tango/mounts/topology/sysfstest"
)

// TestNodes: each job runs on a CPU of its node.
func TestNodes(t *testing.T) {
	m := nodes(t)
	w := start(t, m, Config{})
	if len(w.Nodes()) < 2 {
		t.Fatalf("workers on nodes %v", w.Nodes())
	}
	var all sync.WaitGroup
	for _, n := range m.Nodes() {
		if !slices.Contains(w.Nodes(), n.ID) {
			continue
		}
		for range 50 {
			all.Go(func() {
				err := w.Do(patient(t), n.ID, Job{Run: func() error {
					if cpu := currentCPU(); !n.CPUs.Contains(cpu) {
						t.Errorf("work for node %d on CPU %d", n.ID, cpu)
					}
					return nil
				}})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	s := w.Stats()
	for _, one := range s.Nodes {
		if one.Built != 50 {
			t.Errorf("counted %+v", one)
		}
	}
	if s.Turn.Taken == 0 {
		t.Error("no turn was taken")
	}
}

// TestNodesThatCannotWork: memory without CPUs, CPUs that are off or not ours,
// nodes that do not exist: work goes to the nearest that can.
func TestNodesThatCannotWork(t *testing.T) {
	cpus := allowed(t)
	if len(cpus) < 2 {
		t.Skip("NOT TESTED: one CPU can't be two nodes")
	}
	a, b := list(cpus[:1]), list(cpus[1:2])
	m := read(t, sysfstest.Machine{
		Online: list(cpus[:2]), Present: list(cpus[:2]) + ",8000", NodeSet: "0-4",
		CPUs: map[int]sysfstest.CPU{cpus[0]: {}, cpus[1]: {}},
		Nodes: map[int]sysfstest.Node{
			0: {CPUs: a, MemoryMB: 1, Distance: "10 20 30 20 40"},
			1: {CPUs: "", MemoryMB: 1, Distance: "20 10 40 12 30"}, // memory only, near 3
			2: {CPUs: "8000", MemoryMB: 1, Distance: "11 40 10 30 40"},
			3: {CPUs: b, MemoryMB: 0, Distance: "20 12 30 10 40"}, // CPUs only
			4: {CPUs: "", MemoryMB: 1, Distance: "40 40 40 40 10"},
		},
	})
	w := start(t, m, Config{})
	if got := w.Nodes(); !slices.Equal(got, []topology.NodeID{0, 3}) {
		t.Fatalf("workers on nodes %v", got)
	}
	for node, want := range map[topology.NodeID]int{0: cpus[0], 1: cpus[1], 2: cpus[0], 3: cpus[1], 4: cpus[0]} {
		must(t, w.Do(patient(t), node, Job{Run: func() error {
			if cpu := currentCPU(); cpu != want {
				t.Errorf("work for node %d on CPU %d, want %d", node, cpu, want)
			}
			return nil
		}}))
	}
	for _, node := range []topology.NodeID{AnyNode, 77} {
		must(t, w.Do(patient(t), node, Job{Run: func() error { return nil }}))
	}
}

// TestCpusetLimits: CPUs that the own cgroup forbids have no worker.
func TestCpusetLimits(t *testing.T) {
	cpus := allowed(t)
	if len(cpus) < 2 {
		t.Skip("NOT TESTED: one CPU can't be two nodes")
	}
	m := sysfstest.Machine{
		Online: list(cpus[:2]), Present: list(cpus[:2]), NodeSet: "0-1",
		CPUs:  map[int]sysfstest.CPU{cpus[0]: {}, cpus[1]: {}},
		Nodes: map[int]sysfstest.Node{0: {CPUs: list(cpus[:1])}, 1: {CPUs: list(cpus[1:2])}},
		Files: map[string]string{
			"proc/self/cgroup":                        "0::/box",
			"sys/fs/cgroup/box/cpuset.cpus.effective": list(cpus[1:2]),
			"sys/fs/cgroup/box/cpuset.mems.effective": "0-1",
		},
	}
	w := start(t, read(t, m), Config{})
	if got := w.Nodes(); !slices.Equal(got, []topology.NodeID{1}) {
		t.Errorf("workers on nodes %v", got)
	}
	if w.Turn() != nil {
		t.Error("one worker takes turns")
	}
	m.Files["sys/fs/cgroup/box/cpuset.cpus.effective"] = "8000"
	if w, err := Open(read(t, m), Config{}); !errors.Is(err, errNoCPU) {
		t.Errorf("%v, %v, want %v", w, err, errNoCPU)
	}
}

// TestLeases: a limited number at once, of one node at a time; back when they are
// released, when the time is over, and when nobody waits any more.
func TestLeases(t *testing.T) {
	w := start(t, nodes(t), Config{Abreast: 2})
	ids := w.Nodes()
	first, err := w.Lease(patient(t), ids[0], time.Hour)
	must(t, err)
	second, err := w.Lease(patient(t), ids[0], time.Hour)
	must(t, err)
	for _, node := range ids {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if _, err := w.Lease(ctx, node, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a third lease on node %d: %v", node, err)
		}
		cancel()
	}
	first.Release()
	first.Release()
	third, err := w.Lease(patient(t), ids[0], time.Millisecond)
	must(t, err)
	second.Release()
	fourth, err := w.Lease(patient(t), ids[1], time.Hour) // when the third has expired
	must(t, err)
	third.Release()
	fourth.Release()
	s := w.Stats()
	if s.Leases != 4 || s.Expired != 1 || s.Turn.Holders != 0 {
		t.Errorf("counted %+v", s)
	}
}

// TestLeaseHoldsUpWorkersElsewhere: work of other nodes waits for a lease, and
// goes on when it ends.
func TestLeaseHoldsUpWorkersElsewhere(t *testing.T) {
	w := start(t, nodes(t), Config{Abreast: 4})
	ids := w.Nodes()
	lease, err := w.Lease(patient(t), ids[0], time.Hour)
	must(t, err)
	var ran atomic.Bool
	done := make(chan error)
	go func() {
		done <- w.Do(patient(t), ids[1], Job{Run: func() error { ran.Store(true); return nil }})
	}()
	must(t, w.Do(patient(t), ids[0], Job{Run: func() error { return nil }})) // same node
	eventually(t, "a waiting worker", func() bool { return w.Turn().Stats().Waiting > 0 })
	if ran.Load() {
		t.Error("ran beside a lease of another node")
	}
	lease.Release()
	must(t, <-done)
}

// TestLaneOfWorkers: frees wait for jobs and leases to be over.
func TestLaneOfWorkers(t *testing.T) {
	w := start(t, nodes(t), Config{Settle: time.Millisecond})
	lease, err := w.Lease(patient(t), AnyNode, time.Hour)
	must(t, err)
	var freed atomic.Int64
	for _, node := range w.Nodes() {
		for range 5 {
			w.Free(node, func() { freed.Add(1) })
		}
	}
	time.Sleep(30 * time.Millisecond)
	if n := freed.Load(); n != 0 {
		t.Errorf("%d freed beside a lease", n)
	}
	lease.Release()
	eventually(t, "all freed", func() bool { return int(freed.Load()) == 5*len(w.Nodes()) })
}

func TestClosedWorkers(t *testing.T) {
	w := start(t, nodes(t), Config{})
	w.Close()
	if err := w.Do(patient(t), AnyNode, Job{Run: func() error { return nil }}); !errors.Is(err, ErrClosed) {
		t.Errorf("%v, want %v", err, ErrClosed)
	}
	ran := false
	w.Free(AnyNode, func() { ran = true })
	if !ran {
		t.Error("what can't wait any more was not freed")
	}
}

// TestThreads: workers leave no thread behind.
func TestThreads(t *testing.T) {
	m := nodes(t)
	var tids []int
	w, err := Open(m, Config{})
	must(t, err)
	for _, node := range w.Nodes() {
		must(t, w.Do(patient(t), node, Job{Run: func() error { tids = append(tids, unix.Gettid()); return nil }}))
	}
	w.Close()
	for _, tid := range tids {
		eventually(t, "end of a thread", func() bool { return unix.Tgkill(unix.Getpid(), tid, 0) != nil })
	}
}

// TestInARow: without a word about it, as many are let in while another node waits
// as may hold the turn at once, and at least 4.
func TestInARow(t *testing.T) {
	for abreast, want := range map[int]int{0: 4, 2: 4, 16: 16} {
		if got := (Config{Abreast: abreast}).withDefaults().InARow; got != want {
			t.Errorf("%d abreast: %d in a row, want %d", abreast, got, want)
		}
	}
}
