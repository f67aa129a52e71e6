package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/program"
	"tango/test/sides"
)

// memberStarts measures what containerd waits for when a container joins a pod whose
// shim is there: one execution of the shim, which names that one's socket.
func (b *bench) memberStarts(ctx context.Context) error {
	title := "shim start, second member of a pod"
	columns, err := b.compare(ctx, sides.Two, title, "ms", b.usual(), func(ctx context.Context, s sides.Side) ([]float64, error) {
		took, err := b.memberStart(ctx, s)
		return []float64{took}, err
	})
	if err != nil {
		return err
	}
	b.report.add(row{ID: "member", Title: title, Unit: "ms"}, columns[0])
	return nil
}

// memberStart executes a shim as containerd does for a member of the resident pod,
// and makes no container.
func (b *bench) memberStart(ctx context.Context, s sides.Side) (float64, error) {
	bundle, err := b.memberBundle(s)
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(bundle)
	shim, err := b.node.Tool(s.Shim())
	if err != nil {
		return 0, err
	}
	cmd, err := b.node.ShimCommand(ctx, shim, "member", bundle)
	if err != nil {
		return 0, err
	}
	before, err := b.node.Shims()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	out, err := cmd.Output()
	took := program.Milliseconds(time.Since(began))
	if err != nil || len(out) == 0 {
		return 0, fmt.Errorf("cannot start a pod's second member: %q, %w", out, err)
	}
	after, err := b.node.Shims()
	if err == nil && len(after) != len(before) {
		err = fmt.Errorf("cannot start a pod's second member: there are %d shims, before there were %d", len(after), len(before))
	}
	return took, err
}

// memberBundle makes a directory with what a shim reads to find a container's pod.
func (b *bench) memberBundle(s sides.Side) (string, error) {
	spec, err := json.Marshal(specs.Spec{Version: specs.Version, Annotations: map[string]string{sandboxAnnotation: residentID(s)}})
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(filepath.Join(b.node.Dir(), "tmp"), "member-")
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "config.json"), spec, 0o600)
}
