package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/pkg/cio"
	"golang.org/x/sync/errgroup"

	"tango/test/harness"
	"tango/test/program"
	"tango/test/sides"
)

// daemonRestarts measures how long containerd takes, from its start, until it is
// connected to all containers again: those of each side on a containerd of its own.
func (b *bench) daemonRestarts(ctx context.Context) (retErr error) {
	var nodes [sides.Count]*harness.Node
	defer func() {
		for _, n := range nodes {
			if n != nil {
				retErr = errors.Join(retErr, n.Purge(n.Context(context.WithoutCancel(ctx))), n.Close())
			}
		}
	}()
	for _, s := range sides.Two {
		b.progress.Say("starting %d containers of %s on a containerd of their own", b.pods, s)
		var err error
		if nodes[s], err = harness.Start(ctx, harness.Options{LikeNode: true, LogLevel: "warn", Runtime: s.Runtime()}); err != nil {
			return err
		}
		if err := populate(ctx, nodes[s], b.pods, b.concurrency); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	title := fmt.Sprintf("containerd restart, %d containers attached", b.pods)
	columns, err := b.compare(ctx, sides.Two, title, "ms", b.few(b.restarts), func(ctx context.Context, s sides.Side) ([]float64, error) {
		took, err := restart(ctx, nodes[s], b.pods)
		return []float64{took}, err
	})
	if err != nil {
		return err
	}
	b.report.add(row{ID: "restart", Title: title, Unit: "ms"}, columns[0])
	return nil
}

// populate runs n containers, some at a time.
func populate(ctx context.Context, node *harness.Node, n, atOnce int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range n {
		group.Go(func() error {
			_, err := node.Run(ctx, harness.Spec{ID: fmt.Sprintf("restart-%03d", i), IO: cio.NullIO})
			return err
		})
	}
	return group.Wait()
}

// restart ends containerd and measures from its new start until it knows that so
// many containers run. It asks their shims, so it has to be connected to them.
func restart(ctx context.Context, n *harness.Node, containers int) (float64, error) {
	if err := n.Stop(); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := n.Boot(ctx); err != nil {
		return 0, err
	}
	for {
		running, err := countRunning(ctx, n)
		if err != nil {
			return 0, err
		}
		if running == containers {
			return program.Milliseconds(time.Since(began)), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func countRunning(ctx context.Context, n *harness.Node) (running int, _ error) {
	all, err := n.Client().TaskService().List(n.Context(ctx), &tasks.ListTasksRequest{})
	if err != nil {
		return 0, fmt.Errorf("cannot list tasks: %w", err)
	}
	for _, t := range all.Tasks {
		if t.Status == task.Status_RUNNING {
			running++
		}
	}
	return running, nil
}
