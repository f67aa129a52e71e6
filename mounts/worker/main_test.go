package worker

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/topology"
	"tango/mounts/topology/sysfstest"
)

// The main goroutine keeps the first thread, so that no test's goroutine runs,
// and changes namespaces, there.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "FAIL: these tests mount, and need root")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// patience is how long tests wait for what must happen. Machines may be slow.
const patience = 2 * time.Minute

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for the condition.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never came: ", what)
		}
	}
}

// allowed are the CPUs that this process may run on.
func allowed(t testing.TB) []int {
	t.Helper()
	set := unix.NewCPUSet(8192)
	must(t, unix.SchedGetaffinityDynamic(0, set))
	var cpus []int
	for cpu := range 8192 {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// nodes is this machine if it has several NUMA nodes, or else a machine with a
// node for each of two CPUs of this one: threads are pinned for real on both.
func nodes(t testing.TB) *topology.Machine {
	t.Helper()
	real, err := topology.Read(topology.Roots{})
	must(t, err)
	if list, _ := usable(real); len(list) > 1 {
		return real
	}
	cpus := allowed(t)
	if len(cpus) < 2 {
		t.Skip("NOT TESTED: one CPU can't be two nodes")
	}
	return madeUp(t, cpus[0], cpus[len(cpus)-1])
}

// madeUp is a machine with a node for each CPU.
func madeUp(t testing.TB, cpus ...int) *topology.Machine {
	t.Helper()
	m := sysfstest.Machine{
		Online: list(cpus), Present: list(cpus), NodeSet: fmt.Sprintf("0-%d", len(cpus)-1),
		CPUs: make(map[int]sysfstest.CPU), Nodes: make(map[int]sysfstest.Node),
	}
	for i, cpu := range cpus {
		m.CPUs[cpu] = sysfstest.CPU{Socket: i, Siblings: fmt.Sprint(cpu)}
		m.Nodes[i] = sysfstest.Node{CPUs: fmt.Sprint(cpu), MemoryMB: 1024}
	}
	return read(t, m)
}

func list(cpus []int) string {
	text := ""
	for i, cpu := range cpus {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprint(cpu)
	}
	return text
}

func read(t testing.TB, m sysfstest.Machine) *topology.Machine {
	t.Helper()
	machine, err := topology.Read(sysfstest.Write(t, m))
	must(t, err)
	return machine
}

// start opens workers that are closed with the test.
func start(t testing.TB, m *topology.Machine, c Config) *Workers {
	t.Helper()
	w, err := Open(m, c)
	must(t, err)
	t.Cleanup(w.Close)
	return w
}

// oneWorker starts a worker by itself, held up until release is called: what is
// given to it meanwhile becomes a batch.
func oneWorker(t *testing.T, c workerConfig) (w *Worker, release func()) {
	t.Helper()
	if c.queue == 0 {
		c.queue = 64
	}
	if c.items == 0 {
		c.items = 16
	}
	if c.span == 0 {
		c.span = time.Hour
	}
	w, err := startWorker(c, &activity{})
	must(t, err)
	t.Cleanup(w.Close)
	gate, held := make(chan struct{}), make(chan struct{})
	go func() {
		_ = w.Do(context.Background(), Job{Run: func() error { close(held); <-gate; return nil }})
	}()
	<-held
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release)
	return w, release
}
