package service

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/topology"
	"tango/mounts/worker"
)

// serveVariable makes the test binary a service in the directory it names.
const serveVariable = "TANGO_TEST_SERVE"

// serveAsChild serves until SIGTERM.
func serveAsChild(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is that of the test
		os.Exit(1)
	}()
	machine, err := topology.Read(topology.Roots{})
	if err != nil {
		return fail(err)
	}
	workers, err := worker.Open(machine, worker.Config{Abreast: 2})
	if err != nil {
		return fail(err)
	}
	defer workers.Close()
	l, err := Listen(dir)
	if err != nil {
		return fail(err)
	}
	fmt.Println("ready")
	if err := Serve(ctx, l, Config{Workers: workers, Work: forkWork(workers)}); err != nil {
		return fail(err)
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "FAIL:", err)
	return 1
}

// child is a service in a process of its own.
type child struct {
	cmd *exec.Cmd
}

func startChild(t *testing.T, dir string) *child {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), serveVariable+"="+dir)
	cmd.Stderr = os.Stderr
	_, err := cmd.StdinPipe() // closed with this process
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	c := &child{cmd}
	t.Cleanup(func() { c.end(unix.SIGKILL) })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the service did not start: %q, %v", line, err)
	}
	return c
}

// end ends the process and waits; a second call does nothing.
func (c *child) end(s unix.Signal) error {
	if c.cmd.ProcessState != nil {
		return nil
	}
	_ = c.cmd.Process.Signal(s) // fails only if it is dead
	return c.cmd.Wait()
}

// load is what shims do all the time: leases and namespaces.
type load struct {
	client   *Client
	workers  *worker.Workers
	template *os.File
	done     atomic.Int64
	stop     atomic.Bool
	all      sync.WaitGroup
}

func (l *load) start(t *testing.T, threads int) {
	for i := range threads {
		l.all.Go(func() {
			for n := 0; !l.stop.Load(); n++ {
				if err := l.once(t, fmt.Sprintf("%d/%d", i, n)); err != nil {
					t.Error("a request failed: ", err)
					return
				}
				l.done.Add(1)
			}
		})
	}
}

func (l *load) once(t *testing.T, payload string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	lease, err := l.client.Lease(ctx, worker.AnyNode, time.Second)
	if err != nil {
		return err
	}
	defer lease.Release()
	request := Request{Node: worker.AnyNode, Payload: []byte(payload), Files: []*os.File{l.template}}
	reply, err := l.client.Do(ctx, request, func(ctx context.Context) (Reply, error) {
		return forkWork(l.workers)(ctx, request)
	})
	if err != nil {
		return err
	}
	return checkFork(reply, payload)
}

// TestKilledAtAnyMoment kills or stops the service 200 times while it is used:
// no request fails, and nothing is left.
func TestKilledAtAnyMoment(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 10
	}
	dir := filepath.Join(t.TempDir(), "service")
	l := &load{workers: openWorkers(t, worker.Config{}), template: template(t)}
	l.client = NewClient(ClientConfig{
		Dir: dir, Patience: 100 * time.Millisecond, Pause: time.Millisecond,
		Workers: func() (*worker.Workers, error) { return l.workers, nil },
	})
	service := startChild(t, dir)
	must(t, l.once(t, "first"))
	before, mounts := descriptors(t), hostMounts(t)
	l.start(t, 4)
	defer l.stop.Store(true)
	random := rand.New(rand.NewPCG(4, 200))
	killed, stopped := 0, 0
	for range rounds {
		served := l.client.Stats().Served
		eventually(t, "use of the service", func() bool { return l.client.Stats().Served >= served+4 || t.Failed() })
		time.Sleep(time.Duration(random.IntN(3000)) * time.Microsecond) // any moment
		if random.IntN(4) > 0 {
			killed++
			_ = service.end(unix.SIGKILL) // says that it was killed
			l.more(t, 1)                  // without a service
			service = startChild(t, dir)
			continue
		}
		stopped++
		must(t, service.cmd.Process.Signal(unix.SIGSTOP))
		stalled := l.client.Stats().Stalled
		eventually(t, "a request that gave up", func() bool { return l.client.Stats().Stalled > stalled })
		l.more(t, 4)
		must(t, service.cmd.Process.Signal(unix.SIGCONT))
	}
	served := l.client.Stats().Served
	eventually(t, "use of the last service", func() bool { return l.client.Stats().Served > served })
	l.stop.Store(true)
	l.all.Wait()
	t.Logf("%d killed, %d stopped; %d requests done: %+v", killed, stopped, l.done.Load(), l.client.Stats())
	must(t, service.end(unix.SIGTERM))
	eventually(t, "all descriptors closed", func() bool { return descriptors(t) <= before })
	if now := hostMounts(t); now != mounts {
		t.Errorf("the host had %d mounts on /tmp, and has %d", mounts, now)
	}
	if _, err := os.Stat(SocketPath(dir)); !os.IsNotExist(err) {
		t.Errorf("socket left: %v", err)
	}
}

// more waits until so many more requests are done.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	until := l.done.Load() + n
	eventually(t, "requests done", func() bool { return l.done.Load() >= until || t.Failed() })
}

// hostMounts counts the host's mounts on what forkWork mounts on. Others come and
// go without it.
func hostMounts(t *testing.T) (n int) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == "/tmp" {
			n++
		}
	}
	return n
}
