package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/oci"

	"tango/test/harness"
	"tango/test/images"
	"tango/test/program"
	"tango/test/sides"
)

// mappingsInUse is how many user namespace mappings are given out before the
// first is given out again: more than a burst needs, less than there are.
const mappingsInUse = 20000

// spec is a container of one side, idle, in a user namespace that no other
// running container shares, and without output.
func (b *bench) spec(s sides.Side) harness.Spec {
	b.mappings = (b.mappings + 1) % mappingsInUse
	spec := harness.Spec{Runtime: s.Runtime(), Image: b.image, UserNS: harness.NthUserNS(b.mappings), IO: cio.NullIO}
	if s == sides.Crun {
		spec.Options = b.node.OptionsWith(b.crunPath)
		// crun before 1.9 takes no later version. The spec has nothing later.
		spec.OCI = append(spec.OCI, harness.Edit(func(s *oci.Spec) { s.Version = "1.0.2" }))
	}
	if b.theirs != nil {
		b.theirs.adapt(b.node, s, &spec)
	}
	return spec
}

// what names the usual container.
func (b *bench) what() string {
	if b.theirs != nil {
		return b.theirs.what(b.layers)
	}
	return fmt.Sprintf("%d layers, user namespace", b.layers)
}

// life is how long the steps of a container took, in milliseconds.
type life struct {
	create, start float64 // the task's
	end           float64 // kill, wait for the exit, delete the task
}

// live runs a container from its record to nothing. The record and the snapshot
// are containerd's work alone and are not in the times, nor is what a client asks before
// it creates a task.
func (b *bench) live(ctx context.Context, spec harness.Spec) (l life, retErr error) {
	c, err := b.node.New(ctx, spec)
	if err != nil {
		return l, err
	}
	defer func() { retErr = errors.Join(retErr, c.Delete(context.WithoutCancel(ctx))) }()
	task, err := c.Ready(ctx)
	if err != nil {
		return l, err
	}
	if l.create, l.start, err = begin(ctx, task); err != nil {
		return l, errors.Join(err, task.Adopt(context.WithoutCancel(ctx)))
	}
	if err := task.Adopt(ctx); err != nil {
		return l, err
	}
	began := time.Now()
	err = endTask(ctx, b.node, c)
	l.end = program.Milliseconds(time.Since(began))
	return l, err
}

// begin creates and starts a task, and returns how long each took, in milliseconds.
func begin(ctx context.Context, task *harness.Ready) (create, start float64, err error) {
	began := time.Now()
	if err := task.Create(ctx); err != nil {
		return 0, 0, err
	}
	created := time.Now()
	err = task.Start(ctx)
	return program.Milliseconds(created.Sub(began)), program.Milliseconds(time.Since(created)), err
}

// endTask kills a container's process, waits for its exit and deletes the task.
func endTask(ctx context.Context, n *harness.Node, c *harness.Container) error {
	_, err := c.Task.Delete(n.Context(ctx), containerd.WithProcessKill)
	return err
}

// lives measures whole lives: create+start, create, start and kill+delete.
func (b *bench) lives(ctx context.Context, among []sides.Side, title string, spec func(sides.Side) harness.Spec) ([]sides.Samples, error) {
	return b.compare(ctx, among, title, "ms", b.usual(), func(ctx context.Context, s sides.Side) ([]float64, error) {
		l, err := b.live(ctx, spec(s))
		return []float64{l.create + l.start, l.create, l.start, l.end}, err
	})
}

// starts measures the usual container: many layers, a user namespace, a pod of
// its own.
func (b *bench) starts(ctx context.Context) error {
	title := "create+start, " + b.what()
	columns, err := b.lives(ctx, b.sides, title, b.spec)
	if err != nil {
		return err
	}
	b.report.add(row{ID: "start", Title: title, Unit: "ms"}, columns[0])
	b.report.add(row{ID: "start.create", Title: "  of which create", Unit: "ms", Detail: true}, columns[1])
	b.report.add(row{ID: "start.start", Title: "  of which start", Unit: "ms", Detail: true}, columns[2])
	b.report.add(row{ID: "delete", Title: "kill+delete", Unit: "ms"}, columns[3])
	return nil
}

// plainStarts measures containers without a user namespace.
func (b *bench) plainStarts(ctx context.Context) error {
	title := fmt.Sprintf("create+start, %d layers, plain", b.layers)
	columns, err := b.lives(ctx, b.sides, title, func(s sides.Side) harness.Spec {
		spec := b.spec(s)
		spec.UserNS = nil
		return spec
	})
	if err != nil {
		return err
	}
	b.report.add(row{ID: "plain", Title: title, Unit: "ms"}, columns[0])
	b.report.add(row{ID: "plain.delete", Title: "kill+delete, plain", Unit: "ms"}, columns[3])
	return nil
}

// startsOverLayers measures images of few and many layers.
func (b *bench) startsOverLayers(ctx context.Context) error {
	var points []point
	for _, n := range b.overLayers {
		image, err := b.node.Image(ctx, images.Config{Layers: n})
		if err != nil {
			return err
		}
		points = append(points, point{name: fmt.Sprintf("%d %s", n, program.Plural(n, "layer")), x: n, spec: func(s sides.Side) harness.Spec {
			spec := b.spec(s)
			spec.Image = image
			return spec
		}})
	}
	return b.measureSeries(ctx, sides.Two, "layers", points)
}
