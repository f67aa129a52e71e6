package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/topology"
	"tango/mounts/worker"
)

// The main goroutine keeps the first thread, so that no test's goroutine runs,
// and changes namespaces, there.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveVariable); dir != "" {
		os.Exit(serveAsChild(dir))
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "FAIL: these tests mount, and need root")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// patience is how long tests wait for what must happen. Machines may be slow.
const patience = 2 * time.Minute

func patient(t testing.TB) context.Context {
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

// openWorkers are workers of this machine, closed with the test.
func openWorkers(t testing.TB, c worker.Config) *worker.Workers {
	t.Helper()
	machine, err := topology.Read(topology.Roots{})
	must(t, err)
	w, err := worker.Open(machine, c)
	must(t, err)
	t.Cleanup(w.Close)
	return w
}

// lines are a log.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
}

func (l *lines) with(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

// running is a server in the test's process.
type running struct {
	*Server
	dir     string
	workers *worker.Workers
	log     *lines
	stop    func()
}

// serve starts a server that ends with the test, and checks then that it leaves
// no descriptor.
func serve(t testing.TB, c Config) *running {
	t.Helper()
	before := descriptors(t)
	r := &running{dir: filepath.Join(t.TempDir(), "service"), log: &lines{}}
	if c.Workers == nil {
		c.Workers = openWorkers(t, worker.Config{Abreast: 1})
	}
	c.Log = r.log.add
	r.workers = c.Workers
	l, err := Listen(r.dir)
	must(t, err)
	r.serveOn(t, l, c)
	t.Cleanup(func() {
		r.stop()
		r.workers.Close()
		eventually(t, "all descriptors closed", func() bool { return descriptors(t) <= before })
	})
	return r
}

func (r *running) serveOn(t testing.TB, l *Listener, c Config) {
	r.Server = NewServer(c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx, l) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		must(t, <-ended)
	})
	t.Cleanup(r.stop)
}

// descriptors are how many this process has open, but for the runtime's.
func descriptors(t testing.TB) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:[event") {
			n++
		}
	}
	return n
}

// connect opens a bare connection.
func (r *running) connect(t testing.TB) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: SocketPath(r.dir), Net: "unixpacket"})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

// client returns a client with all the patience there is.
func (r *running) client() *Client {
	return NewClient(ClientConfig{Dir: r.dir, Patience: patience})
}

// works checks that the server does its work.
func (r *running) works(t testing.TB) {
	t.Helper()
	lease, err := r.client().Lease(patient(t), worker.AnyNode, time.Minute)
	must(t, err)
	if lease == nil || lease.conn == nil {
		t.Fatal("the service gave no lease")
	}
	lease.Release()
}

// expectClosed waits for the server to close the connection.
func expectClosed(t testing.TB, conn *net.UnixConn) {
	t.Helper()
	for {
		m, err := receive(conn)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("the server did not close the connection")
			}
			return
		}
		m.close()
	}
}

// The work of the tests: a mount namespace forked from the one in the request's
// file, with a tmpfs on /tmp that has a file with the payload.

// forkWork does it with these workers.
func forkWork(workers *worker.Workers) func(context.Context, Request) (Reply, error) {
	return func(ctx context.Context, r Request) (Reply, error) {
		if len(r.Files) != 1 {
			return Reply{}, unix.EINVAL
		}
		template, err := kernel.OpenNamespace(fmt.Sprintf("/proc/self/fd/%d", r.Files[0].Fd()))
		if err != nil {
			return Reply{}, err
		}
		defer template.Close()
		var made *kernel.Namespace
		err = workers.Do(ctx, r.Node, worker.Job{
			Moves:   true,
			Run:     func() (err error) { made, err = forkHere(template, r.Payload); return err },
			Discard: func() { made.Close() },
		})
		if err != nil {
			return Reply{}, err
		}
		return Reply{Payload: r.Payload, Files: []*os.File{made.Disown()}}, nil
	}
}

func forkHere(template *kernel.Namespace, payload []byte) (*kernel.Namespace, error) {
	if err := template.Enter(); err != nil {
		return nil, err
	}
	if err := kernel.UnshareNamespace(); err != nil {
		return nil, err
	}
	if err := kernel.SetPropagation("/", kernel.Private, true); err != nil {
		return nil, err
	}
	c, err := kernel.OpenFS("tmpfs")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	m, err := c.Mount(0)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := m.Attach(nil, "/tmp"); err != nil {
		return nil, err
	}
	if err := os.WriteFile("/tmp/payload", payload, 0o600); err != nil {
		return nil, err
	}
	return kernel.CurrentNamespace()
}

// checkFork looks into what forkWork made, and closes it.
func checkFork(r Reply, payload string) error {
	if len(r.Files) != 1 || string(r.Payload) != payload {
		closeFiles(r.Files)
		return fmt.Errorf("reply has payload %q and %d files", r.Payload, len(r.Files))
	}
	ns, err := kernel.AdoptNamespace(r.Files[0])
	if err != nil {
		return err
	}
	defer ns.Close()
	return kernel.InNewThread(func() error {
		if err := ns.Enter(); err != nil {
			return err
		}
		got, err := os.ReadFile("/tmp/payload")
		if err == nil && string(got) != payload {
			err = fmt.Errorf("namespace of %q has %q", payload, got)
		}
		return err
	})
}

// template opens a namespace to fork from.
func template(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Open("/proc/self/ns/mnt")
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}
