// Package servicedeath kills and stops the host service, which builds root
// filesystems and starts shims, again and again while containers start and end. No
// start may fail because of that, and nothing may be left.
//
//	make service-death
//	make service-death TESTFLAGS='-kills 20 -v'
package servicedeath

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"

	"tango/test/harness"
	"tango/test/images"
)

var (
	kills   = flag.Int("kills", 200, "how often the service is killed or stopped")
	threads = flag.Int("threads", 8, "how many containers start and end at once")
	layers  = flag.Int("layers", 20, "of the image")
)

func TestMain(m *testing.M) { harness.Main(m) }

// patience is how long the whole may take. Machines may be slow.
const patience = time.Hour

// burst is containers that start and end all the time.
type burst struct {
	node    *harness.Node
	image   containerd.Image
	stop    atomic.Bool
	serial  atomic.Int64
	started atomic.Int64
	all     sync.WaitGroup
}

func newBurst(ctx context.Context, t *testing.T) *burst {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test runs containers and needs root")
	}
	node, err := harness.Start(ctx, harness.Options{LogLevel: "warn"})
	must(t, err)
	b := &burst{node: node}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of containerd and shims:\n%s", node.LogTail(60))
		}
		must(t, node.Close())
	})
	b.image, err = node.Image(ctx, images.Config{Layers: *layers})
	must(t, err)
	return b
}

// spec has the service build the root: every other one's with owners of its own, and
// those that all share a mapping in between.
func (b *burst) spec() harness.Spec {
	n := int(b.serial.Add(1))
	s := harness.Spec{
		ID: fmt.Sprint("c", n), Runtime: harness.Tango, Image: b.image, IO: cio.NullIO,
		Options: b.node.TangoOptions(`MountWork = "service"`),
	}
	switch n % 4 {
	case 0:
		s.UserNS = harness.NthUserNS(0)
	case 1, 2:
		s.UserNS = harness.NthUserNS(n % 1000)
	}
	return s
}

// once starts a container, and ends it.
func (b *burst) once(ctx context.Context) error {
	s := b.spec()
	c, err := b.node.New(ctx, s)
	if err != nil {
		return err
	}
	if err := c.CreateTask(ctx); err != nil {
		return fmt.Errorf("cannot create %s: %w", s.ID, err)
	}
	if err := c.Start(ctx); err != nil {
		return fmt.Errorf("cannot start %s: %w", s.ID, err)
	}
	b.started.Add(1)
	if err := c.Delete(ctx); err != nil {
		return fmt.Errorf("cannot delete %s: %w", s.ID, err)
	}
	return nil
}

func (b *burst) run(ctx context.Context, t *testing.T) {
	for range *threads {
		b.all.Go(func() {
			for !b.stop.Load() {
				if err := b.once(ctx); err != nil {
					t.Error(err)
					b.stop.Store(true)
				}
			}
		})
	}
}

// service is the one that runs, which is not one of those seen dying; 0 if there is
// none.
func (b *burst) service(t *testing.T, dead int) int {
	t.Helper()
	all, err := b.node.Processes()
	must(t, err)
	for _, p := range all {
		if harness.IsHostService(p) && p.PID != dead {
			return p.PID
		}
	}
	return 0
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until the condition holds, or the burst has ended over a failure.
func (b *burst) eventually(ctx context.Context, t *testing.T, what string, is func() bool) {
	t.Helper()
	for !is() {
		if b.stop.Load() || ctx.Err() != nil {
			t.Fatal("never came: ", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// gone tells whether a process has ended.
func gone(pid int) bool { return syscall.Kill(pid, 0) != nil }
