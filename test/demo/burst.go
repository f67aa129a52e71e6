package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"

	"tango/test/harness"
	"tango/test/harness/trace"
)

// result is what one burst has shown.
type result struct {
	wall       time.Duration   // from the first create to the last start's end
	starts     []time.Duration // create and start of each container, sorted
	deletes    time.Duration   // kill and delete of all of them
	calls      trace.Counts    // mount calls of containerd and all its offspring, start to delete
	peakMounts int             // most mounts on the host above those before
}

// quantile returns the time that a share q of the starts did not exceed.
func (r result) quantile(q float64) time.Duration {
	return r.starts[min(len(r.starts)-1, int(q*float64(len(r.starts))))]
}

// burst starts all containers with one runtime, shows them, and deletes them.
func burst(ctx context.Context, n *harness.Node, s settings, image containerd.Image, runtime string) (result, error) {
	var r result
	containers, err := prepare(ctx, n, s, image, runtime)
	if err != nil {
		return r, err
	}
	family, err := n.Family()
	if err != nil {
		return r, err
	}
	recording, err := trace.Start("tango-demo", family...)
	if err != nil {
		return r, err
	}
	step(fmt.Sprintf("starting %d containers, %d at a time, with %s", s.containers, s.concurrency, runtime))
	peak := watchMounts()
	err = r.startAll(ctx, s, containers)
	if err == nil {
		show(ctx, n, containers)
		err = r.deleteAll(ctx, s, containers)
	}
	calls, traceErr := recording.Stop()
	r.calls, r.peakMounts = calls, peak()
	return r, errors.Join(err, traceErr)
}

// prepare makes the containers' records and snapshots, and runs one container
// of another id to the end, so that the first of the burst does not pay for
// what only the first pays.
func prepare(ctx context.Context, n *harness.Node, s settings, image containerd.Image, runtime string) ([]*harness.Container, error) {
	short := strings.Split(runtime, ".")[2]
	spec := func(i int) harness.Spec {
		return harness.Spec{
			ID: fmt.Sprintf("%s-%03d", short, i), Runtime: runtime, Image: image, IO: cio.NullIO, UserNS: harness.NthUserNS(i),
		}
	}
	warm, err := n.Run(ctx, spec(s.containers))
	if err != nil {
		return nil, err
	}
	if err := warm.Delete(ctx); err != nil {
		return nil, err
	}
	containers := make([]*harness.Container, s.containers)
	for i := range containers {
		if containers[i], err = n.New(ctx, spec(i)); err != nil {
			return nil, err
		}
	}
	return containers, nil
}

// startAll creates and starts all tasks.
func (r *result) startAll(ctx context.Context, s settings, containers []*harness.Container) error {
	r.starts = make([]time.Duration, len(containers))
	began := time.Now()
	err := each(ctx, s, "start", containers, func(i int, c *harness.Container) error {
		t := time.Now()
		defer func() { r.starts[i] = time.Since(t) }()
		if err := c.CreateTask(ctx); err != nil {
			return err
		}
		return c.Start(ctx)
	})
	r.wall = time.Since(began)
	slices.Sort(r.starts)
	return err
}

func (r *result) deleteAll(ctx context.Context, s settings, containers []*harness.Container) error {
	began := time.Now()
	err := each(ctx, s, "delete", containers, func(_ int, c *harness.Container) error { return c.Delete(ctx) })
	r.deletes = time.Since(began)
	return err
}

// each does something with all containers, several at a time, under a progress
// bar. It returns when all that began has ended, with the first error.
func each(ctx context.Context, s settings, what string, containers []*harness.Container, do func(int, *harness.Container) error) error {
	bar := newProgress(os.Stdout, what, len(containers))
	defer bar.end()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var workers sync.WaitGroup
	for range s.concurrency {
		workers.Go(func() {
			for i := range next {
				if err := do(i, containers[i]); err != nil {
					cancel(err)
					return
				}
				bar.step()
			}
		})
	}
	for i := range containers {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}
