package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"tango/test/harness"
	"tango/test/stats"
)

// allBursts measures many containers that start at once.
func (b *bench) allBursts(ctx context.Context) error {
	title := fmt.Sprintf("burst of %d, %d at a time", b.burst, b.concurrency)
	var each both
	warm := min(b.warmup, 1) // a burst is long enough to warm up everything
	columns, err := b.rounds(ctx, title, "ms", warm, b.bursts, func(ctx context.Context, s side) ([]float64, error) {
		took, starts, err := b.oneBurst(ctx, s)
		if err != nil {
			return nil, err
		}
		each[s] = append(each[s], starts...)
		return []float64{took.starts, stats.QuantileOf(starts, 0.5), stats.QuantileOf(starts, 0.99), took.ends}, nil
	})
	if err != nil {
		return err
	}
	b.report.add(row{ID: "burst", Title: title + ": wall time", Unit: "ms"}, columns[0])
	b.report.add(row{ID: "burst.p50", Title: "  p50 of create+start", Unit: "ms"}, columns[1])
	b.report.add(row{ID: "burst.p99", Title: "  p99 of create+start", Unit: "ms"}, columns[2])
	b.report.add(row{ID: "burst.delete", Title: "  kill+delete of all: wall time", Unit: "ms"}, columns[3])
	for s := range each {
		each[s] = each[s][warm*b.burst:]
	}
	b.report.Burst = each
	return nil
}

// walls are the wall times of a burst, in milliseconds.
type walls struct{ starts, ends float64 }

// oneBurst starts all containers and then deletes them. It also returns how
// long each start took, from the create to the start's answer.
func (b *bench) oneBurst(ctx context.Context, s side) (w walls, starts []float64, retErr error) {
	containers := make([]*harness.Container, b.burst)
	defer func() { retErr = errors.Join(retErr, b.forget(context.WithoutCancel(ctx), containers)) }()
	for i := range containers {
		var err error
		if containers[i], err = b.node.New(ctx, b.spec(s)); err != nil {
			return w, nil, err
		}
	}
	starts = make([]float64, b.burst)
	began := time.Now()
	err := b.each(ctx, containers, func(ctx context.Context, i int, c *harness.Container) error {
		t := time.Now()
		defer func() { starts[i] = milliseconds(time.Since(t)) }()
		if err := c.CreateTask(ctx); err != nil {
			return err
		}
		return c.Start(ctx)
	})
	if err != nil {
		return w, nil, err
	}
	w.starts = milliseconds(time.Since(began))
	began = time.Now()
	err = b.each(ctx, containers, func(ctx context.Context, _ int, c *harness.Container) error { return endTask(ctx, b.node, c) })
	w.ends = milliseconds(time.Since(began))
	return w, starts, err
}

// forget takes away what is left of containers: with their tasks, if a burst failed.
func (b *bench) forget(ctx context.Context, containers []*harness.Container) error {
	return b.each(ctx, containers, func(ctx context.Context, _ int, c *harness.Container) error {
		if c == nil {
			return nil
		}
		return c.Delete(ctx)
	})
}

// each does something with all containers, -concurrency of them at once, and
// returns the first error.
func (b *bench) each(ctx context.Context, containers []*harness.Container, do func(context.Context, int, *harness.Container) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(b.concurrency)
	for i, c := range containers {
		group.Go(func() error { return do(ctx, i, c) })
	}
	return group.Wait()
}
