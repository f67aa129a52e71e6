package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"tango/test/harness"
	"tango/test/program"
	"tango/test/sides"
)

// startsOverRunning measures beside few and many running containers. Half of them
// are of each side, so that all sides start on the same machine.
func (b *bench) startsOverRunning(ctx context.Context) (retErr error) {
	var crowd []*harness.Container
	defer func() {
		b.progress.Say("taking %d containers away", len(crowd))
		ctx := context.WithoutCancel(ctx)
		retErr = errors.Join(retErr, b.forget(ctx, crowd), b.quiet(ctx))
	}()
	for _, wanted := range b.overRunning {
		b.progress.Say("starting containers until %d run", wanted)
		more, err := b.gather(ctx, wanted-len(b.sides)-len(crowd))
		crowd = append(crowd, more...)
		if err != nil {
			return err
		}
		there := len(b.sides) + len(crowd)
		title := fmt.Sprintf("create+start, %d %s running", there, program.Plural(there, "container"))
		columns, err := b.lives(ctx, sides.Two, title, b.spec)
		if err != nil {
			return err
		}
		b.report.add(row{ID: fmt.Sprintf("running.%d", wanted), Title: title, Unit: "ms", Group: "running", X: there}, columns[0])
	}
	return nil
}

// gather runs n further containers, of the two sides in turn. It returns those that
// run also when it fails.
func (b *bench) gather(ctx context.Context, n int) ([]*harness.Container, error) {
	if n <= 0 {
		return nil, nil
	}
	made := make([]*harness.Container, n)
	specs := make([]harness.Spec, n)
	for i := range specs {
		specs[i] = b.spec(sides.Two[i%2])
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(b.concurrency)
	for i := range made {
		group.Go(func() (err error) {
			made[i], err = b.node.Run(ctx, specs[i])
			return err
		})
	}
	err := group.Wait()
	running := made[:0]
	for _, c := range made {
		if c != nil {
			running = append(running, c)
		}
	}
	return running, err
}
