package servicedeath

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tango/mounts/service"
	"tango/test/harness"
)

// TestServiceDies kills the service 3 times of 4, and else stops it until whoever
// waits for it has lost patience.
func TestServiceDies(t *testing.T) {
	if harness.Runtime(t) == harness.Stock {
		t.Skip("THE PREMISE IS MISSING: the stock shim has no service")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b := newBurst(ctx, t)
	b.run(ctx, t)
	defer b.all.Wait()
	defer b.stop.Store(true)
	random := rand.New(rand.NewPCG(4, uint64(*kills)))
	killed, stopped, built, pid := 0, 0, uint64(0), 0
	for n := range *kills {
		b.eventually(ctx, t, "a service", func() bool { pid = b.service(t, pid); return pid != 0 })
		if n%10 == 0 {
			built += b.built(ctx, t)
		}
		time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond) // any moment
		if random.IntN(4) > 0 {
			killed++
			_ = syscall.Kill(pid, syscall.SIGKILL) // unless somebody was quicker
		} else {
			stopped++
			b.outlast(ctx, t, pid)
		}
		b.more(ctx, t, 1)
	}
	b.stop.Store(true)
	b.all.Wait()
	t.Logf("%d killed, %d stopped; %d containers started, at least %d roots built by a service that was asked before its end",
		killed, stopped, b.started.Load(), built)
	if built == 0 {
		t.Error("no service ever built anything")
	}
	left, err := b.node.Settle(ctx)
	must(t, err)
	for _, what := range left {
		t.Errorf("left behind: %s", what)
	}
}

// outlast stops the service until somebody has killed it for that, as the relay does
// after 5 s, or containers have started without it, and then lets it go on.
func (b *burst) outlast(ctx context.Context, t *testing.T, pid int) {
	t.Helper()
	if syscall.Kill(pid, syscall.SIGSTOP) != nil {
		return // it has ended meanwhile
	}
	until := time.Now().Add(7 * time.Second) // more than any patience with it
	b.eventually(ctx, t, "patience lost", func() bool { return gone(pid) || time.Now().After(until) })
	_ = syscall.Kill(pid, syscall.SIGCONT)
}

// more waits for so many more starts.
func (b *burst) more(ctx context.Context, t *testing.T, n int64) {
	t.Helper()
	until := b.started.Load() + n
	b.eventually(ctx, t, "more starts", func() bool { return b.started.Load() >= until })
}

// built waits until the service has built something, and tells how much.
func (b *burst) built(ctx context.Context, t *testing.T) (n uint64) {
	t.Helper()
	c := service.NewClient(service.ClientConfig{Dir: filepath.Join(b.node.Dir(), "run/mounts")})
	b.eventually(ctx, t, "roots built by the service", func() bool {
		n = 0
		s, err := c.ServerStats(ctx)
		if err != nil {
			return false
		}
		for _, node := range s.Workers.Nodes {
			n += node.Built
		}
		return n > 0
	})
	return n
}
