package harness

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	containerd "github.com/containerd/containerd/v2/client"

	"tango/test/images"
)

// runtimeFlag is which runtime the tests run containers with. The flag is
// defined by Main alone, so that programs that import the package for [Start]
// have none of this name.
var runtimeFlag = "tango"

// Main runs the tests of a package and takes away all nodes, also when the run
// is interrupted. Call it from TestMain.
func Main(m *testing.M) {
	if name := os.Getenv("TANGO_TEST_RUNTIME"); name != "" {
		runtimeFlag = name
	}
	flag.StringVar(&runtimeFlag, "runtime", runtimeFlag, "runtime of the containers: tango or runc")
	flag.Parse()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		fmt.Fprintln(os.Stderr, "\nharness:", <-signals, "received, taking everything away")
		if err := CloseAll(); err != nil {
			fmt.Fprintln(os.Stderr, "harness:", err)
		}
		os.Exit(130)
	}()
	code := m.Run()
	if err := CloseAll(); err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		code = 1
	}
	os.Exit(code)
}

// Runtime returns the runtime type that the tests are run with.
func Runtime(t testing.TB) string {
	t.Helper()
	full, err := ParseRuntime(runtimeFlag)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// waitTimeout ends a test that waits for something that never comes.
var waitTimeout = patient(10 * time.Minute)

// Harness is a Node for one test. Its own methods fail the test instead of
// returning errors.
type Harness struct {
	*Node
	t   testing.TB
	ctx context.Context
}

// New makes a node for a test and closes it at the test's end, but for what
// [ReuseVariable] says. The test fails
// when it does not run as root, and when it leaves anything behind.
func New(t testing.TB, o Options) *Harness {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test runs containers and needs root")
	}
	if o.Runtime == "" {
		o.Runtime = Runtime(t)
	}
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	n, err := takeOrStart(ctx, o)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	n.uses++
	h := &Harness{Node: n, t: t, ctx: n.Context(ctx)}
	t.Cleanup(func() {
		defer cancel()
		h.finish()
	})
	return h
}

func takeOrStart(ctx context.Context, o Options) (*Node, error) {
	if n := takeIdle(o); n != nil {
		return n, nil
	}
	return Start(ctx, o)
}

// In returns the harness for a subtest, whose failures are then its own.
func (h *Harness) In(t testing.TB) *Harness {
	return &Harness{Node: h.Node, t: t, ctx: h.ctx}
}

// Ctx returns a context with the node's namespace. It ends after some minutes,
// so that a test that hangs fails with its own message.
func (h *Harness) Ctx() context.Context { return h.ctx }

// finish checks for leaks and closes the node.
func (h *Harness) finish() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if h.Client() != nil {
		if err := h.DeleteAll(ctx); err != nil {
			h.t.Errorf("cannot delete what the test left running: %v", err)
		}
		h.CheckLeaks()
	}
	if h.t.Failed() {
		h.t.Logf("log of containerd and shims (%s):\n%s", h.LogPath(), h.LogTail(60))
		if os.Getenv("TANGO_TEST_KEEP") != "" {
			h.t.Logf("kept: %s", h.Dir())
			unregister(h.Node)
			return
		}
	} else if kept, err := h.keepIdle(); kept || err != nil {
		h.must(err)
		return
	}
	if err := h.Close(); err != nil {
		h.t.Errorf("cannot take the node away: %v", err)
	}
}

// CheckLeaks fails the test if anything is left of the deleted containers, and
// returns when all is gone. Containers that still exist count as left.
func (h *Harness) CheckLeaks() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	left, err := h.Settle(ctx)
	if err != nil {
		h.t.Errorf("cannot check for leaks: %v", err)
	}
	for _, what := range left {
		h.t.Errorf("left behind: %s", what)
	}
}

// Record records the task events from now on.
func (h *Harness) Record() *Events {
	h.t.Helper()
	seen, err := h.Node.Record(h.ctx)
	h.must(err)
	return seen
}

// Create makes a container and its task; both are deleted at the test's end.
func (h *Harness) Create(s Spec) *Container {
	h.t.Helper()
	c, err := h.Node.Create(h.ctx, s)
	h.must(err)
	return c
}

// Run makes and starts a container, which is deleted at the test's end.
func (h *Harness) Run(s Spec) *Container {
	h.t.Helper()
	c, err := h.Node.Run(h.ctx, s)
	h.must(err)
	return c
}

// Start starts a created container.
func (h *Harness) Start(c *Container) {
	h.t.Helper()
	h.must(c.Start(h.ctx))
}

// Wait waits for a container's exit and returns the exit code.
func (h *Harness) Wait(c *Container) uint32 {
	h.t.Helper()
	code, err := c.Wait(h.ctx)
	h.must(err)
	return code
}

// Kill sends a signal to a container.
func (h *Harness) Kill(c *Container, sig syscall.Signal, opts ...containerd.KillOpts) {
	h.t.Helper()
	h.must(c.Kill(h.ctx, sig, opts...))
}

// Delete kills and deletes a container with its snapshot.
func (h *Harness) Delete(c *Container) {
	h.t.Helper()
	h.must(c.Delete(h.ctx))
}

// Exec starts a further process in a container.
func (h *Harness) Exec(c *Container, s ExecSpec) *Exec {
	h.t.Helper()
	e, err := c.Exec(h.ctx, s)
	h.must(err)
	return e
}

// Finish waits for a further process and takes it away.
func (h *Harness) Finish(e *Exec) uint32 {
	h.t.Helper()
	code, err := e.Finish(h.ctx)
	h.must(err)
	return code
}

// Output runs a command in a container and returns its standard output.
func (h *Harness) Output(c *Container, args ...string) string {
	h.t.Helper()
	out, err := c.Output(h.ctx, args...)
	h.must(err)
	return out
}

// Image returns an imported and unpacked image of so many layers.
func (h *Harness) Image(layers int) containerd.Image {
	h.t.Helper()
	image, err := h.Node.Image(h.ctx, images.Config{Layers: layers})
	h.must(err)
	return image
}

// Eventually waits until a condition holds that another process brings about,
// and fails the test if it never does.
func (h *Harness) Eventually(what string, holds func() bool) {
	h.t.Helper()
	for {
		asked := time.Now()
		if holds() {
			return
		}
		// Where asking is slow, as long again is left to what is waited for.
		pause := max(10*time.Millisecond, time.Since(asked))
		select {
		case <-h.ctx.Done():
			h.t.Fatalf("waited in vain until %s", what)
		case <-time.After(pause):
		}
	}
}

func (h *Harness) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}
