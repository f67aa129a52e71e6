package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"tango/test/harness"
	"tango/test/program"
	"tango/test/sides"
	"tango/test/stats"
)

// allBursts measures many containers that start at once.
func (b *bench) allBursts(ctx context.Context) error {
	title := fmt.Sprintf("burst of %d, %d at a time", b.burst, b.concurrency)
	var each sides.Samples
	often := b.few(b.bursts)
	columns, err := b.compare(ctx, b.sides, title, "ms", often, func(ctx context.Context, s sides.Side) ([]float64, error) {
		took, starts, err := b.oneBurst(ctx, s, b.burst, b.concurrency)
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
		each[s] = each[s][min(len(each[s]), often.warm*b.burst):]
	}
	b.report.Burst = each
	return nil
}

// burstsOverConcurrency measures smaller bursts with few and many starts at once:
// what a container costs then.
func (b *bench) burstsOverConcurrency(ctx context.Context) error {
	for _, n := range b.overConcurrency {
		title := fmt.Sprintf("burst of %d, %d at a time: per container", b.curveBurst, n)
		columns, err := b.compare(ctx, sides.Two, title, "ms", b.few(b.curveBursts), func(ctx context.Context, s sides.Side) ([]float64, error) {
			took, _, err := b.oneBurst(ctx, s, b.curveBurst, n)
			return []float64{took.starts / float64(b.curveBurst)}, err
		})
		if err != nil {
			return err
		}
		b.report.add(row{ID: fmt.Sprintf("concurrency.%d", n), Title: title, Unit: "ms", Group: "concurrency", X: n}, columns[0])
	}
	return nil
}

// firstBursts measures bursts that come after a calm. What a runtime keeps ready for the
// next container after many have started is gone then.
func (b *bench) firstBursts(ctx context.Context) error {
	title := fmt.Sprintf("first burst of %d after %s", b.burst, b.calm)
	columns, err := b.compare(ctx, sides.Two, title, "ms", repeat{n: b.calmBursts, rest: b.calm}, func(ctx context.Context, s sides.Side) ([]float64, error) {
		took, starts, err := b.oneBurst(ctx, s, b.burst, b.concurrency)
		if err != nil {
			return nil, err
		}
		return []float64{took.starts, stats.QuantileOf(starts, 0.99)}, nil
	})
	if err != nil {
		return err
	}
	b.report.add(row{ID: "calm", Title: title + ": wall time", Unit: "ms"}, columns[0])
	b.report.add(row{ID: "calm.p99", Title: "  p99 of create+start", Unit: "ms"}, columns[1])
	return nil
}

// walls are the wall times of a burst, in milliseconds, and when that was, on the
// clock of program.Now.
type walls struct {
	starts, ends float64
	began, ended time.Duration
}

// oneBurst starts so many containers, some at a time, and then deletes them. It also
// returns how long each start took, from the create to the start's answer.
func (b *bench) oneBurst(ctx context.Context, s sides.Side, size, atOnce int) (w walls, starts []float64, retErr error) {
	containers, tasks := make([]*harness.Container, size), make([]*harness.Ready, size)
	defer func() { retErr = errors.Join(retErr, b.forget(context.WithoutCancel(ctx), containers)) }()
	if err := b.prepare(ctx, s, containers, tasks); err != nil {
		return w, nil, err
	}
	starts = make([]float64, size)
	w.began = program.Now()
	began := time.Now()
	err := each(ctx, atOnce, tasks, func(ctx context.Context, i int, t *harness.Ready) error {
		create, start, err := begin(ctx, t)
		starts[i] = create + start
		return err
	})
	w.starts = program.Milliseconds(time.Since(began))
	if err = errors.Join(err, b.adopt(context.WithoutCancel(ctx), tasks)); err != nil {
		return w, nil, err
	}
	began = time.Now()
	err = each(ctx, atOnce, containers, func(ctx context.Context, _ int, c *harness.Container) error { return endTask(ctx, b.node, c) })
	w.ends = program.Milliseconds(time.Since(began))
	w.ended = program.Now()
	return w, starts, err
}

// prepare makes the containers of a burst, and has their tasks ready.
func (b *bench) prepare(ctx context.Context, s sides.Side, containers []*harness.Container, tasks []*harness.Ready) (err error) {
	for i := range containers {
		if containers[i], err = b.node.New(ctx, b.spec(s)); err != nil {
			return err
		}
		if tasks[i], err = containers[i].Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// adopt has containers know the tasks that a burst has started.
func (b *bench) adopt(ctx context.Context, tasks []*harness.Ready) error {
	return each(ctx, b.concurrency, tasks, func(ctx context.Context, _ int, t *harness.Ready) error { return t.Adopt(ctx) })
}

// forget takes away what is left of containers: with their tasks, if a burst failed.
func (b *bench) forget(ctx context.Context, containers []*harness.Container) error {
	return each(ctx, b.concurrency, containers, func(ctx context.Context, _ int, c *harness.Container) error {
		if c == nil {
			return nil
		}
		return c.Delete(ctx)
	})
}

// each does something with all, some of them at once, and returns the first error.
func each[T any](ctx context.Context, atOnce int, all []T, do func(context.Context, int, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, one := range all {
		group.Go(func() error { return do(ctx, i, one) })
	}
	return group.Wait()
}
