package harness

import (
	"context"
	"fmt"
	"io"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// ExecSpec says what to execute in a running container. The zero value runs
// `true` with the container's own environment and user.
type ExecSpec struct {
	ID       string               // default: made from a serial number
	Args     []string             // default: /bin/true
	Change   func(*specs.Process) // last change of the process; default: none
	Stdin    io.Reader            // default: none
	Terminal bool                 // give the process a terminal; output is in Stdout
	IO       cio.Creator          // replaces Stdin, Stdout and Stderr; default: fifos into Output
}

// Exec is a further process in a container. Fields are read-only.
type Exec struct {
	containerd.Process
	Stdout *Output
	Stderr *Output

	node *Node
	exit <-chan containerd.ExitStatus
}

// NewExec registers a further process, without starting it.
func (c *Container) NewExec(ctx context.Context, s ExecSpec) (*Exec, error) {
	ctx = c.node.Context(ctx)
	full, err := c.Spec(ctx)
	if err != nil {
		return nil, err
	}
	p := *full.Process
	p.Args, p.Terminal = s.Args, s.Terminal
	if p.Args == nil {
		p.Args = []string{"/bin/true"}
	}
	if s.Change != nil {
		s.Change(&p)
	}
	if s.ID == "" {
		s.ID = fmt.Sprintf("e%d", c.node.serial.Add(1))
	}
	e := &Exec{Stdout: new(Output), Stderr: new(Output), node: c.node}
	process, err := c.Task.Exec(ctx, s.ID, &p, e.creator(s))
	if err != nil {
		return nil, fmt.Errorf("cannot add process %s: %w", s.ID, err)
	}
	e.Process = process
	e.exit, err = process.Wait(context.WithoutCancel(ctx))
	return e, err
}

func (e *Exec) creator(s ExecSpec) cio.Creator {
	if s.IO != nil {
		return s.IO
	}
	opts := []cio.Opt{cio.WithFIFODir(e.node.path("fifo")), cio.WithStreams(s.Stdin, e.Stdout, e.Stderr)}
	if s.Terminal {
		opts = append(opts, cio.WithStreams(s.Stdin, e.Stdout, nil), cio.WithTerminal)
	}
	return cio.NewCreator(opts...)
}

// Exec registers and starts a further process.
func (c *Container) Exec(ctx context.Context, s ExecSpec) (*Exec, error) {
	e, err := c.NewExec(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := e.Start(e.node.Context(ctx)); err != nil {
		return e, fmt.Errorf("cannot start process %s: %w", e.ID(), err)
	}
	return e, nil
}

// Output runs a command in the container and returns what it wrote to standard
// output. An exit code other than 0 is an error that carries standard error.
func (c *Container) Output(ctx context.Context, args ...string) (string, error) {
	e, err := c.Exec(ctx, ExecSpec{Args: args})
	if err != nil {
		return "", err
	}
	code, err := e.Finish(ctx)
	if err == nil && code != 0 {
		err = fmt.Errorf("%q ended with code %d: %s", args, code, e.Stderr)
	}
	return e.Stdout.String(), err
}

// Wait waits for the exit and for the end of the output, and returns the exit code.
func (e *Exec) Wait(ctx context.Context) (uint32, error) {
	select {
	case status := <-e.exit:
		e.IO().Wait()
		code, _, err := status.Result()
		return code, err
	case <-ctx.Done():
		return 0, fmt.Errorf("cannot wait for process %s: %w", e.ID(), ctx.Err())
	}
}

// Finish is Wait, and takes the process away.
func (e *Exec) Finish(ctx context.Context) (uint32, error) {
	code, err := e.Wait(ctx)
	if err != nil {
		return code, err
	}
	_, err = e.Delete(e.node.Context(ctx))
	return code, err
}
