package remote

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/service"
	"tango/mounts/topology"
	"tango/mounts/worker"
	"tango/rootfs"
)

// The main goroutine keeps the first thread, so that no test's goroutine changes
// namespaces there.
func init() { runtime.LockOSThread() }

// TestMain refuses to run without root: these tests are about real mounts.
func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "FAIL: the tests of rootfs/remote need root")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// patience is how long tests wait for what must happen. Machines may be slow.
const patience = 2 * time.Minute

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never came: ", what)
		}
	}
}

// host is a mount service in the test's process, and what its clients share.
type host struct {
	dir      string
	workers  *worker.Workers
	builder  *Builder
	preparer *rootfs.Preparer // of the clients
	stop     func()
}

// open makes the workers and the builder, which must have nothing left at the end.
func open(t testing.TB, c Config) *host {
	t.Helper()
	before := descriptors(t)
	features, err := kernel.Detect()
	must(t, err)
	machine, err := topology.ReadNodes(topology.Roots{})
	must(t, err)
	h := &host{dir: filepath.Join(t.TempDir(), "service"), preparer: rootfs.New(rootfs.Config{Features: features})}
	h.workers, err = worker.Open(machine, worker.Config{Abreast: 1})
	must(t, err)
	c.Workers, c.Features = h.workers, features
	h.builder, err = NewBuilder(c)
	must(t, err)
	t.Cleanup(func() {
		must(t, h.builder.Close())
		must(t, h.preparer.Close())
		if s := h.builder.Stats(); s != (Stats{}) {
			t.Errorf("the builder kept %+v", s)
		}
		h.workers.Close()
		eventually(t, "all descriptors closed", func() bool { return descriptors(t) <= before })
	})
	return h
}

// serve has the host answer until the test ends.
func serve(t testing.TB, c Config) *host {
	t.Helper()
	h := open(t, c)
	l, err := service.Listen(h.dir)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Serve(ctx, l, service.Config{Workers: h.workers, Work: h.builder.Work}) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		must(t, <-ended)
	})
	t.Cleanup(h.stop)
	return h
}

func (h *host) client(own func() (*worker.Workers, error)) *service.Client {
	return service.NewClient(service.ClientConfig{Dir: h.dir, Patience: patience, Workers: own})
}

// order asks for work by the first node, so that tests know whose counts change.
func (h *host) order(plan rootfs.Plan) Order {
	return Order{Plan: plan, Node: h.workers.Nodes()[0], Turn: time.Minute, Preparer: h.preparer}
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

// layers are a snapshot's, below the test's directory, each with a file of its
// number, and mapped as options say.
func layers(t testing.TB, n int, options ...string) []rootfs.Mount {
	t.Helper()
	root := t.TempDir()
	dir := func(name string) string {
		path := filepath.Join(root, "snapshots", name)
		must(t, os.MkdirAll(path, 0o755))
		return path
	}
	var lower []string
	for i := range n {
		at := dir(fmt.Sprintf("%d/fs", i))
		must(t, os.WriteFile(filepath.Join(at, fmt.Sprint(i)), fmt.Append(nil, "layer ", i), 0o644))
		lower = append(lower, at)
	}
	return []rootfs.Mount{{Type: "overlay", Source: "overlay", Options: append([]string{
		"lowerdir=" + strings.Join(lower, ":"), "upperdir=" + dir("upper/fs"), "workdir=" + dir("upper/work"),
	}, options...)}}
}

var mapped = []string{"uidmap=0:100000:65536", "gidmap=0:100000:65536"}

func parse(t testing.TB, ms []rootfs.Mount) rootfs.Plan {
	t.Helper()
	plan, err := rootfs.Parse(ms)
	must(t, err)
	return plan
}

// inside attaches the root in a namespace of its own and runs f there.
func inside(t testing.TB, root *rootfs.Rootfs, f func(at string) error) {
	t.Helper()
	at := t.TempDir()
	must(t, kernel.InNewThread(func() error {
		if err := kernel.UnshareNamespace(); err != nil {
			return err
		}
		if err := kernel.SetPropagation("/", kernel.Private, true); err != nil {
			return err
		}
		if err := root.AttachInPlace(at); err != nil {
			return err
		}
		return f(at)
	}))
}

// shows checks that the root has n layers' files, with this owner.
func shows(n int, owner uint32) func(at string) error {
	return func(at string) error {
		for i := range n {
			var st unix.Stat_t
			if err := unix.Stat(filepath.Join(at, fmt.Sprint(i)), &st); err != nil {
				return fmt.Errorf("layer %d: %w", i, err)
			}
			if st.Uid != owner || st.Gid != owner {
				return fmt.Errorf("layer %d is %d:%d's, want %d", i, st.Uid, st.Gid, owner)
			}
		}
		return os.WriteFile(filepath.Join(at, "new"), nil, 0o600)
	}
}
