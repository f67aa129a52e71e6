package integration

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/errdefs"

	"tango/test/harness"
)

// sleeper is a container of one process.
func sleeper(runtime string) harness.Spec {
	return harness.Spec{Runtime: runtime, Args: []string{"sleep", "100000"}}
}

// inState are the states that a task can be brought into, and how.
var inState = []struct {
	name string
	make func(h *harness.Harness, runtime string) *harness.Container
}{
	{"created", func(h *harness.Harness, runtime string) *harness.Container {
		return h.Create(sleeper(runtime))
	}},
	{"running", func(h *harness.Harness, runtime string) *harness.Container {
		return h.Run(sleeper(runtime))
	}},
	{"paused", func(h *harness.Harness, runtime string) *harness.Container {
		c := h.Run(sleeper(runtime))
		h.Eventually("it is paused", func() bool { return c.Task.Pause(h.Ctx()) == nil })
		return c
	}},
	{"stopped", func(h *harness.Harness, runtime string) *harness.Container {
		c := h.Run(sleeper(runtime))
		h.Kill(c, syscall.SIGKILL)
		h.Wait(c)
		return c
	}},
}

// calls are what can be asked of a task. The ones that change the state of a
// running one are asked of a task of their own.
var calls = []struct {
	name string
	call func(ctx context.Context, h *harness.Harness, c *harness.Container) error
}{
	{"start", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error { return c.Task.Start(ctx) }},
	{"pause", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error { return c.Task.Pause(ctx) }},
	{"resume", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error { return c.Task.Resume(ctx) }},
	{"kill 0", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error { return c.Task.Kill(ctx, 0) }},
	{"kill", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error {
		return c.Task.Kill(ctx, syscall.SIGKILL)
	}},
	{"kill all", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error {
		return c.Task.Kill(ctx, syscall.SIGKILL, containerd.WithKillAll)
	}},
	{"kill of no exec", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error {
		return c.Task.Kill(ctx, syscall.SIGKILL, containerd.WithKillExecID("nosuchexec"))
	}},
	{"delete", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error {
		_, err := c.Task.Delete(ctx)
		return err
	}},
	{"exec", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error {
		e, err := c.NewExec(ctx, harness.ExecSpec{ID: "further", IO: nullIO})
		if err != nil {
			return err
		}
		if err := e.Start(ctx); err != nil {
			return err
		}
		_, err = e.Finish(ctx)
		return err
	}},
	{"delete of an unstarted exec", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error {
		e, err := c.NewExec(ctx, harness.ExecSpec{ID: "further", IO: nullIO})
		if err != nil {
			return err
		}
		_, err = e.Delete(ctx)
		return err
	}},
	{"resize", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error {
		return c.Task.Resize(ctx, 80, 25)
	}},
	{"close stdin", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error {
		return c.Task.CloseIO(ctx, containerd.WithStdinCloser)
	}},
	{"update", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error {
		return c.Task.Update(ctx, containerd.WithResources(limitTo(48)))
	}},
	{"metrics", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error {
		_, err := c.Task.Metrics(ctx)
		return err
	}},
	{"pids", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error {
		pids, err := c.Task.Pids(ctx)
		if err == nil {
			err = fmt.Errorf("%d processes", len(pids)) // to be compared
		}
		return err
	}},
	{"state", func(ctx context.Context, _ *harness.Harness, c *harness.Container) error {
		status, err := c.Task.Status(ctx)
		if err == nil {
			err = fmt.Errorf("%s with exit status %d", status.Status, status.ExitStatus)
		}
		return err
	}},
}

// kind is what a client can tell of an error without reading it.
func kind(err error) string {
	for name, is := range map[string]func(error) bool{
		"not found": errdefs.IsNotFound, "already exists": errdefs.IsAlreadyExists, "failed precondition": errdefs.IsFailedPrecondition,
		"invalid argument": errdefs.IsInvalidArgument, "not implemented": errdefs.IsNotImplemented, "unavailable": errdefs.IsUnavailable,
	} {
		if is(err) {
			return name
		}
	}
	return "of no kind"
}

// TestStatesLikeRunc asks for everything in every state, of both runtimes, and
// wants the same answers: the kind of error, its words, and the state after it.
func TestStatesLikeRunc(t *testing.T) {
	for _, state := range inState {
		t.Run(state.name, func(t *testing.T) {
			h := newNode(t)
			stock := answers(t, h, harness.Stock, state.name, state.make)
			tango := answers(t, h, harness.Tango, state.name, state.make)
			for i, call := range calls {
				if stock[i] != tango[i] {
					t.Errorf("%s: tango says\n%s\nrunc says\n%s", call.name, tango[i], stock[i])
				}
			}
			h.CheckLeaks()
		})
	}
}

// answers makes the calls one after the other, with another container whenever
// one has left the state.
func answers(t *testing.T, h *harness.Harness, runtime, state string, create func(*harness.Harness, string) *harness.Container) []string {
	t.Helper()
	var all []string
	var c *harness.Container
	for _, call := range calls {
		if c == nil {
			c = create(h, runtime)
		}
		err := call.call(h.Ctx(), h, c)
		after := statusAfter(h, c, call.name)
		all = append(all, fmt.Sprintf("%s (%s); then %s", plain(err), kind(err), after))
		if after != state {
			h.Delete(c)
			c = nil
		}
	}
	if c != nil {
		h.Delete(c)
	}
	return all
}

// statusAfter is the state that a call leaves a task in. A kill takes a moment.
func statusAfter(h *harness.Harness, c *harness.Container, call string) string {
	var status containerd.Status
	var err error
	h.Eventually("the kill has its effect", func() bool {
		status, err = c.Task.Status(h.Ctx())
		killed := (call == "kill" || call == "kill all") && err == nil
		return !killed || status.Status == containerd.Stopped
	})
	if err != nil {
		return plain(err)
	}
	return string(status.Status)
}
