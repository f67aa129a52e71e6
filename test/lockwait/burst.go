package main

import (
	"context"
	"errors"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"golang.org/x/sync/errgroup"

	"tango/test/harness"
	"tango/test/program"
)

// bed is where bursts run.
type bed struct {
	settings
	node     *harness.Node
	image    containerd.Image
	mappings int // user namespace mappings given out
}

// times are when the parts of a burst were over, on the clock of the waits.
type times struct {
	began   time.Duration
	started time.Duration // the last container runs
	deleted time.Duration // the last task is gone
	settled time.Duration // recording ends
	used    processors    // from began to deleted
}

// spec is an idle container in a user namespace that no other one shares.
func (b *bed) spec(runtime string) harness.Spec {
	s := harness.Spec{Runtime: runtime, Image: b.image, IO: cio.NullIO}
	if runtime == harness.Tango {
		s.Options = b.node.TangoOptions(b.options)
	}
	if !b.plain {
		s.UserNS = harness.NthUserNS(b.mappings)
		b.mappings++
	}
	return s
}

// prepare makes the records and snapshots of a burst's containers, which are
// containerd's work alone, and has one container run, so that the burst does not
// pay for what only the first one pays.
func (b *bed) prepare(ctx context.Context, runtime string) ([]*harness.Container, error) {
	first, err := b.node.Run(ctx, b.spec(runtime))
	if err != nil {
		return nil, err
	}
	if err := first.Delete(ctx); err != nil {
		return nil, err
	}
	containers := make([]*harness.Container, b.containers)
	for i := range containers {
		if containers[i], err = b.node.New(ctx, b.spec(runtime)); err != nil {
			return nil, err
		}
	}
	return containers, nil
}

// burst starts and then ends all containers.
func (b *bed) burst(ctx context.Context, containers []*harness.Container) (t times, err error) {
	before, err := processorTime()
	if err != nil {
		return t, err
	}
	t.began = program.Now()
	err = b.each(ctx, containers, func(ctx context.Context, c *harness.Container) error {
		if err := c.CreateTask(ctx); err != nil {
			return err
		}
		return c.Start(ctx)
	})
	t.started = program.Now()
	if err != nil {
		return t, err
	}
	err = b.each(ctx, containers, func(ctx context.Context, c *harness.Container) error {
		_, err := c.Task.Delete(b.node.Context(ctx), containerd.WithProcessKill)
		return err
	})
	t.deleted = program.Now()
	if err != nil {
		return t, err
	}
	after, err := processorTime()
	if err != nil {
		return t, err
	}
	t.used = after.since(before)
	select {
	case <-time.After(b.after):
	case <-ctx.Done():
	}
	t.settled = program.Now()
	return t, ctx.Err()
}

// forget takes away the containers' records, and their tasks if a burst failed.
func (b *bed) forget(ctx context.Context, containers []*harness.Container) error {
	var errs []error
	for _, c := range containers {
		errs = append(errs, c.Delete(ctx))
	}
	return errors.Join(errs...)
}

// each does something with all containers, -concurrency of them at once, and
// returns the first error.
func (b *bed) each(ctx context.Context, containers []*harness.Container, do func(context.Context, *harness.Container) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(b.concurrency)
	for _, c := range containers {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(ctx, c)
		})
	}
	return group.Wait()
}
