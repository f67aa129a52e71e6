package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// checkOf is something that must work with every version.
type checkOf struct {
	name string
	run  func(ctx context.Context, n *harness.Node) error
}

var checks = []checkOf{
	{"run", runs}, {"events", events}, {"exec", execs}, {"terminal", terminal}, {"kill", kills}, {"pause", pauses},
	{"metrics", metrics}, {"pod", pod}, {"userns", userNS}, {"restart", restart}, {"crash", crash}, {"shim killed", shimKilled}, {"refusal", refusal},
}

func shell(script string) []string { return []string{"/bin/sh", "-c", script} }

// ends waits for a container's exit code.
func ends(ctx context.Context, c *harness.Container, want uint32) error {
	code, err := c.Wait(ctx)
	if err == nil && code != want {
		err = fmt.Errorf("exit code %d, want %d", code, want)
	}
	return err
}

// says wants a command's output.
func says(ctx context.Context, c *harness.Container, want string, args ...string) error {
	got, err := c.Output(ctx, args...)
	if err == nil && strings.TrimSpace(got) != want {
		err = fmt.Errorf("%q wrote %q, want %q", args, got, want)
	}
	return err
}

// until waits for what another process brings about.
func until(ctx context.Context, what string, holds func() bool) error {
	for !holds() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain until %s: %w", what, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func runs(ctx context.Context, n *harness.Node) error {
	c, err := n.Run(ctx, harness.Spec{Args: shell("echo out; echo err >&2; exit 7")})
	if err != nil {
		return err
	}
	if err := ends(ctx, c, 7); err != nil {
		return err
	}
	if c.Stdout.String() != "out\n" || c.Stderr.String() != "err\n" {
		return fmt.Errorf("standard output %q, standard error %q", c.Stdout, c.Stderr)
	}
	return c.Delete(ctx)
}

func events(ctx context.Context, n *harness.Node) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen, err := n.Record(ctx)
	if err != nil {
		return err
	}
	c, err := n.Run(ctx, harness.Spec{Args: []string{"true"}})
	if err != nil {
		return err
	}
	if err := errors.Join(ends(ctx, c, 0), c.Delete(ctx)); err != nil {
		return err
	}
	want := []string{"/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"}
	return until(ctx, fmt.Sprintf("the events are %v", want), func() bool { return slices.Equal(seen.Topics(c.ID()), want) })
}

func execs(ctx context.Context, n *harness.Node) error {
	c, err := n.Run(ctx, harness.Spec{})
	if err != nil {
		return err
	}
	if err := says(ctx, c, "1000", "id", "-u"); err == nil {
		return errors.New("root is user 1000")
	}
	user := func(p *specs.Process) { p.User.UID = 1000 }
	e, err := c.Exec(ctx, harness.ExecSpec{Args: shell("id -u; exit 3"), Change: user})
	if err != nil {
		return err
	}
	code, err := e.Finish(ctx)
	if err == nil && (code != 3 || e.Stdout.String() != "1000\n") {
		err = fmt.Errorf("it ended with %d and wrote %q", code, e.Stdout)
	}
	return err
}

func terminal(ctx context.Context, n *harness.Node) error {
	c, err := n.Run(ctx, harness.Spec{Terminal: true, Args: shell("tty; while [ \"$(stty size)\" != '45 123' ]; do sleep 0.05; done; echo resized")})
	if err != nil {
		return err
	}
	if err := c.Task.Resize(ctx, 123, 45); err != nil {
		return err
	}
	if err := ends(ctx, c, 0); err != nil {
		return err
	}
	if got := c.Stdout.String(); !strings.Contains(got, "/dev/pts/0") || !strings.Contains(got, "resized") {
		return fmt.Errorf("it wrote %q", got)
	}
	return nil
}

func kills(ctx context.Context, n *harness.Node) error {
	c, err := n.Run(ctx, harness.Spec{Args: shell("trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done")})
	if err != nil {
		return err
	}
	if err := until(ctx, "the trap is set", func() bool { return c.Stdout.String() == "ready\n" }); err != nil {
		return err
	}
	return errors.Join(c.Kill(ctx, syscall.SIGUSR1), ends(ctx, c, 9))
}

func pauses(ctx context.Context, n *harness.Node) error {
	c, err := n.Run(ctx, harness.Spec{})
	if err != nil {
		return err
	}
	if err := errors.Join(c.Task.Pause(ctx), c.Task.Resume(ctx)); err != nil {
		return err
	}
	return says(ctx, c, "alive", "echo", "alive")
}

func metrics(ctx context.Context, n *harness.Node) error {
	c, err := n.Run(ctx, harness.Spec{})
	if err != nil {
		return err
	}
	m, err := c.Task.Metrics(ctx)
	if err == nil && len(m.GetData().GetValue()) == 0 {
		err = errors.New("they are empty")
	}
	return err
}

func pod(ctx context.Context, n *harness.Node) error {
	annotations := map[string]string{"io.kubernetes.cri.sandbox-id": "sandbox"}
	for _, id := range []string{"sandbox", "one", "two"} {
		c, err := n.Run(ctx, harness.Spec{ID: id, Annotations: annotations})
		if err != nil {
			return err
		}
		if err := says(ctx, c, id, "echo", id); err != nil {
			return err
		}
	}
	shims, err := n.Shims()
	if err == nil && len(shims) != 1 {
		err = fmt.Errorf("%d shims serve the pod", len(shims))
	}
	return err
}

func userNS(ctx context.Context, n *harness.Node) error {
	c, err := n.Run(ctx, harness.Spec{UserNS: harness.NthUserNS(3), OCI: []oci.SpecOpts{oci.WithHostname("nobody")}})
	if err != nil {
		return err
	}
	return errors.Join(says(ctx, c, "0", "id", "-u"), says(ctx, c, "0 0", "stat", "-c", "%u %g", "/etc/passwd"), says(ctx, c, "nobody", "hostname"))
}

func restart(ctx context.Context, n *harness.Node) error { return comeBack(ctx, n, n.Stop) }

func crash(ctx context.Context, n *harness.Node) error { return comeBack(ctx, n, n.Crash) }

// comeBack ends containerd under a running container and goes on with another.
func comeBack(ctx context.Context, n *harness.Node, end func() error) error {
	c, err := n.Run(ctx, harness.Spec{Args: shell("trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done")})
	if err != nil {
		return err
	}
	if err := until(ctx, "the trap is set", func() bool { return c.Stdout.String() == "ready\n" }); err != nil {
		return err
	}
	for _, step := range []func() error{
		end,
		func() error { return n.Boot(ctx) },
		func() error { return n.Reload(ctx, c) },
		func() error { return says(ctx, c, "alive", "echo", "alive") },
		func() error { return c.Kill(ctx, syscall.SIGUSR1) },
		func() error { return ends(ctx, c, 9) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// shimKilled wants the exit of what a killed shim has left to be published. Before
// 2.3 who waits is told that the connection is closed instead, and a delete that
// comes too early, too.
func shimKilled(ctx context.Context, n *harness.Node) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen, err := n.Record(ctx)
	if err != nil {
		return err
	}
	c, err := n.Run(ctx, harness.Spec{})
	if err != nil {
		return err
	}
	shims, err := n.Shims()
	if err != nil {
		return err
	}
	if len(shims) != 1 {
		return fmt.Errorf("%d shims run, want one", len(shims))
	}
	if err := syscall.Kill(shims[0].PID, syscall.SIGKILL); err != nil {
		return err
	}
	exits := func(e harness.Event) bool { return e.Topic == "/tasks/exit" && e.Status == 137 }
	if err := until(ctx, "the exit is published", func() bool { return slices.ContainsFunc(seen.Of(c.ID()), exits) }); err != nil {
		return err
	}
	return until(ctx, "the container can be deleted", func() bool { return c.Delete(ctx) == nil })
}

// refusal wants a container that can't start to say why, and not to be in the way
// of the next.
func refusal(ctx context.Context, n *harness.Node) error {
	_, err := n.Run(ctx, harness.Spec{ID: "again", Args: []string{"/nosuchprogram"}})
	if err == nil {
		return errors.New("a program that is not there was started")
	}
	if !strings.Contains(err.Error(), "nosuchprogram") {
		return fmt.Errorf("the error does not name the program: %w", err)
	}
	c, err := n.Run(ctx, harness.Spec{ID: "again"})
	if err != nil {
		return err
	}
	return says(ctx, c, "alive", "echo", "alive")
}
