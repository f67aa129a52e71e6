package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// What the processes of a scenario end with.
const (
	initCode    = 7   // after SIGTERM
	execCode    = 3   // by itself
	killedCode  = 137 // with force, or with the shim
	unknownCode = 255 // containerd's, which nobody has told
)

// sleeper sleeps until SIGTERM.
var sleeper = []string{"/bin/sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 1000 & wait; done"}

// stepTimeout ends a step that hangs, which is a failure. A busy machine that is
// held up for a while must not be taken for a hang.
const stepTimeout = 4 * time.Minute

// scenario is a kind of container to lead through its life.
type scenario struct {
	name  string
	spec  func(b *bench) harness.Spec
	fails bool // without any fault, too: what was made until then must go
}

var scenarios = []scenario{
	{name: "plain", spec: func(*bench) harness.Spec { return harness.Spec{} }},
	{name: "user namespace", spec: func(*bench) harness.Spec { return harness.Spec{UserNS: harness.NthUserNS(3)} }},
	{name: "bind mount", spec: func(b *bench) harness.Spec {
		return harness.Spec{OCI: []oci.SpecOpts{harness.Edit(b.addBind)}}
	}},
	{name: "user namespace and bind mount", spec: func(b *bench) harness.Spec {
		return harness.Spec{UserNS: harness.NthUserNS(4), OCI: []oci.SpecOpts{harness.Edit(b.addBind)}}
	}},
	{name: "terminal", spec: func(*bench) harness.Spec { return harness.Spec{Terminal: true} }},
	// Its root is attached on the host. libcontainer then misses /proc.
	{name: "host's mount namespace", fails: true, spec: func(*bench) harness.Spec {
		return harness.Spec{OCI: []oci.SpecOpts{oci.WithHostNamespace(specs.MountNamespace), harness.Edit(withoutMounts)}}
	}},
}

func (b *bench) addBind(s *oci.Spec) {
	s.Mounts = append(s.Mounts, specs.Mount{Source: b.dir, Destination: "/mnt", Type: "bind", Options: []string{"rbind", "rshared"}})
}

// withoutMounts leaves nothing that would be mounted, since it would be mounted on
// the host.
func withoutMounts(s *oci.Spec) {
	s.Mounts, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil, nil
}

// life is what became of one container.
type life struct {
	id       string
	created  bool     // the call that made the task came back without an error
	started  bool     // likewise
	executed bool     // an exec was started, likewise
	exec     string   // its id
	wrong    []string // what must not be, whatever the fault
	errs     []error  // what the calls answered
}

func (l *life) failed(step string, err error) bool {
	if err != nil {
		l.errs = append(l.errs, fmt.Errorf("%s: %w", step, err))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		l.wrong = append(l.wrong, step+" hangs")
	}
	return err != nil
}

// live leads a container through its life as far as it gets.
func (b *bench) live(ctx context.Context, s harness.Spec) *life {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if s.Args == nil {
		s.Args = sleeper
	}
	l := &life{id: s.ID}
	c, err := b.New(ctx, s)
	if l.failed("new", err) {
		return l
	}
	l.id = c.ID()
	if !l.failed("create", c.CreateTask(ctx)) {
		l.created = true
		b.use(ctx, l, c)
	}
	b.remove(ctx, l, c)
	return l
}

// use starts the container, works in it, and ends it.
func (b *bench) use(ctx context.Context, l *life, c *harness.Container) {
	if l.failed("start", c.Start(ctx)) {
		return
	}
	l.started = true
	if !await(ctx, c) {
		l.errs = append(l.errs, errors.New("the program ended before it was ready"))
		return
	}
	b.exec(ctx, l, c)
	if err := c.Task.Pause(b.Context(ctx)); !l.failed("pause", err) && l.failed("resume", c.Task.Resume(b.Context(ctx))) {
		l.failed("resume again", c.Task.Resume(b.Context(ctx))) // frozen, it would take no signal
	}
	if l.failed("kill", c.Kill(ctx, syscall.SIGTERM)) {
		return
	}
	code, err := within(ctx, c.Wait)
	if !l.failed("wait", err) && code != initCode && code != killedCode {
		l.wrong = append(l.wrong, fmt.Sprintf("the container's exit code is %d, want %d", code, initCode))
	}
}

// within is for waits that also wait for the end of output, which nobody bounds.
func within(ctx context.Context, wait func(context.Context) (uint32, error)) (uint32, error) {
	type result struct {
		code uint32
		err  error
	}
	done := make(chan result, 1)
	go func() {
		code, err := wait(ctx)
		done <- result{code, err}
	}()
	select {
	case r := <-done:
		return r.code, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// await waits until the program can take a signal. False says that it has ended.
func await(ctx context.Context, c *harness.Container) bool {
	for c.Stdout.String() == "" {
		select {
		case <-c.Exit():
			return false
		case <-ctx.Done():
			return false
		case <-time.After(2 * time.Millisecond):
		}
	}
	return true
}

func (b *bench) exec(ctx context.Context, l *life, c *harness.Container) {
	e, err := c.Exec(ctx, harness.ExecSpec{Args: []string{"/bin/sh", "-c", "exit 3"}})
	if e != nil {
		l.exec = e.ID()
	}
	if l.failed("exec", err) {
		if e != nil {
			_, err = e.Delete(b.Context(ctx), containerd.WithProcessKill)
			l.failed("delete exec", err)
		}
		return
	}
	l.executed = true
	code, err := within(ctx, e.Wait)
	if !l.failed("wait exec", err) && code != execCode && code != killedCode {
		l.wrong = append(l.wrong, fmt.Sprintf("the exec's exit code is %d, want %d", code, execCode))
	}
	_, err = e.Delete(b.Context(ctx))
	l.failed("delete exec", err)
}

// remove deletes the container. A fault may hit the first try.
func (b *bench) remove(ctx context.Context, l *life, c *harness.Container) {
	for {
		err := c.Delete(ctx)
		if err == nil || errdefs.IsNotFound(err) || b.down.Load() {
			return
		}
		l.failed("delete", err)
		select {
		case <-ctx.Done():
			l.wrong = append(l.wrong, fmt.Sprintf("cannot be deleted: %v", err))
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}
