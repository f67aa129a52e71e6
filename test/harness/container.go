package harness

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/errdefs"
)

// Container is a container with its task. Fields are read-only.
type Container struct {
	containerd.Container
	Task   containerd.Task // nil until CreateTask
	Stdout *Output         // all output where there is a terminal; empty where Spec.IO was given
	Stderr *Output

	node *Node
	spec Spec
	exit <-chan containerd.ExitStatus
}

// New makes the container's record and its snapshot, but no task.
func (n *Node) New(ctx context.Context, s Spec) (*Container, error) {
	ctx = n.Context(ctx)
	s, err := n.fill(ctx, s)
	if err != nil {
		return nil, err
	}
	record, err := n.Client().NewContainer(ctx, s.ID, n.containerOpts(s)...)
	if err != nil {
		return nil, fmt.Errorf("cannot make container %s: %w", s.ID, err)
	}
	c := &Container{Container: record, Stdout: new(Output), Stderr: new(Output), node: n, spec: s}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.containers[s.ID] = c
	return c, nil
}

// Create is New and CreateTask. On an error nothing of the container stays.
func (n *Node) Create(ctx context.Context, s Spec) (*Container, error) {
	c, err := n.New(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := c.CreateTask(ctx); err != nil {
		return nil, errors.Join(err, c.Delete(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// Run is Create and Start. On an error nothing of the container stays.
func (n *Node) Run(ctx context.Context, s Spec) (*Container, error) {
	c, err := n.Create(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := c.Start(ctx); err != nil {
		return nil, errors.Join(err, c.Delete(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// creator returns where the container's output goes.
func (c *Container) creator() cio.Creator {
	if c.spec.IO != nil {
		return c.spec.IO
	}
	opts := []cio.Opt{cio.WithFIFODir(c.node.path("fifo")), cio.WithStreams(c.spec.Stdin, c.Stdout, c.Stderr)}
	if c.spec.Terminal {
		opts = append(opts, cio.WithStreams(c.spec.Stdin, c.Stdout, nil), cio.WithTerminal)
	}
	return cio.NewCreator(opts...)
}

// CreateTask creates the task and asks for its exit, so that none is missed.
func (c *Container) CreateTask(ctx context.Context) error {
	ctx = c.node.Context(ctx)
	task, err := c.NewTask(ctx, c.creator(), c.spec.Task...)
	if err != nil {
		return fmt.Errorf("cannot create task of %s: %w", c.ID(), err)
	}
	c.Task = task
	c.exit, err = task.Wait(context.WithoutCancel(ctx))
	return err
}

// Start starts the container's process.
func (c *Container) Start(ctx context.Context) error {
	if err := c.Task.Start(c.node.Context(ctx)); err != nil {
		return fmt.Errorf("cannot start %s: %w", c.ID(), err)
	}
	return nil
}

// Exit delivers the exit status once.
func (c *Container) Exit() <-chan containerd.ExitStatus { return c.exit }

// Wait waits for the exit and for the end of the output, and returns the exit code.
func (c *Container) Wait(ctx context.Context) (uint32, error) {
	select {
	case status := <-c.exit:
		c.Task.IO().Wait()
		code, _, err := status.Result()
		return code, err
	case <-ctx.Done():
		return 0, fmt.Errorf("cannot wait for %s: %w", c.ID(), ctx.Err())
	}
}

// Kill sends a signal to the container's first process, or as opts say.
func (c *Container) Kill(ctx context.Context, sig syscall.Signal, opts ...containerd.KillOpts) error {
	return c.Task.Kill(c.node.Context(ctx), sig, opts...)
}

// Delete kills what runs and takes away task, record and snapshot.
func (c *Container) Delete(ctx context.Context) error {
	ctx = c.node.Context(ctx)
	if err := c.deleteTask(ctx); err != nil {
		return err
	}
	if err := c.Container.Delete(ctx, containerd.WithSnapshotCleanup); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("cannot delete container %s: %w", c.ID(), err)
	}
	c.node.mu.Lock()
	defer c.node.mu.Unlock()
	delete(c.node.containers, c.ID())
	return nil
}

func (c *Container) deleteTask(ctx context.Context) error {
	if c.Task == nil {
		return nil
	}
	_, err := c.Task.Delete(ctx, containerd.WithProcessKill)
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("cannot delete task of %s: %w", c.ID(), err)
	}
	c.Task = nil
	return nil
}

// Reload gets container and task anew, with the node's present client, as one
// must after containerd was restarted. Output goes on into the same Outputs.
func (n *Node) Reload(ctx context.Context, c *Container) error {
	ctx = n.Context(ctx)
	record, err := n.Client().LoadContainer(ctx, c.ID())
	if err != nil {
		return err
	}
	var in = c.spec.Stdin
	attach := cio.NewAttach(cio.WithStreams(in, c.Stdout, c.Stderr))
	if c.spec.Terminal {
		attach = cio.NewAttach(cio.WithStreams(in, c.Stdout, nil), cio.WithTerminal)
	}
	if c.spec.IO != nil {
		attach = nil
	}
	task, err := record.Task(ctx, attach)
	if err != nil {
		return err
	}
	c.Container, c.Task = record, task
	c.exit, err = task.Wait(context.WithoutCancel(ctx))
	return err
}
