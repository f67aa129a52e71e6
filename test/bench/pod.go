package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
	"tango/test/program"
	"tango/test/sides"
)

// sandboxAnnotation puts a container into a pod, as Kubernetes does.
const sandboxAnnotation = "io.kubernetes.cri.sandbox-id"

// podMembers measures further containers of the resident pods, whose shims are
// there already.
func (b *bench) podMembers(ctx context.Context) error {
	title := "create+start, second container of a pod"
	columns, err := b.lives(ctx, b.sides, title, func(s sides.Side) harness.Spec {
		spec := b.spec(s)
		spec.Annotations = map[string]string{sandboxAnnotation: residentID(s)}
		return spec
	})
	if err != nil {
		return err
	}
	b.report.add(row{ID: "pod", Title: title, Unit: "ms"}, columns[0])
	b.report.add(row{ID: "pod.delete", Title: "kill+delete, second container of a pod", Unit: "ms"}, columns[3])
	return nil
}

// execs measures `true` in the resident containers, from adding the process to
// the deletion after its exit.
func (b *bench) execs(ctx context.Context) error {
	full, err := b.resident[sides.Tango].Spec(b.node.Context(ctx))
	if err != nil {
		return err
	}
	process := *full.Process
	process.Args = b.exec
	title := "exec of " + filepath.Base(b.exec[0])
	columns, err := b.compare(ctx, b.sides, title, "ms", b.usual(), func(ctx context.Context, s sides.Side) ([]float64, error) {
		took, err := b.execute(ctx, s, process)
		return []float64{took}, err
	})
	if err != nil {
		return err
	}
	b.report.add(row{ID: "exec", Title: title, Unit: "ms"}, columns[0])
	return nil
}

// execute runs one process in a resident container.
func (b *bench) execute(ctx context.Context, s sides.Side, process specs.Process) (float64, error) {
	ctx = b.node.Context(ctx)
	began := time.Now()
	p, err := b.resident[s].Task.Exec(ctx, "bench", &process, cio.NullIO)
	if err != nil {
		return 0, err
	}
	exit, err := p.Wait(ctx)
	if err != nil {
		return 0, err
	}
	if err := p.Start(ctx); err != nil {
		return 0, err
	}
	<-exit
	if _, err := p.Delete(ctx); err != nil {
		return 0, err
	}
	return program.Milliseconds(time.Since(began)), nil
}
