package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"

	"tango/test/harness"
	"tango/test/images"
)

// buildTags are those of the product, and the one that makes points of the marks.
const buildTags = "seccomp no_grpc netgo osusergo faults"

// bench is one node with a shim that can be made to fail.
type bench struct {
	*harness.Node
	control control
	events  *harness.Events
	dir     string      // a directory of the host that containers mount
	down    atomic.Bool // containerd was killed and is not back
}

// lab is all the nodes, and the directory of their binaries.
type lab struct {
	dir     string
	benches []*bench
}

func newLab(ctx context.Context, s settings) (_ *lab, retErr error) {
	dir, err := os.MkdirTemp("", "tango-chaos-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir}
	defer func() {
		if retErr != nil {
			retErr = errors.Join(retErr, l.close())
		}
	}()
	for i := range s.workers {
		b, err := l.newBench(ctx, filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return nil, err
		}
		l.benches = append(l.benches, b)
	}
	return l, nil
}

// newBench builds a shim with a control directory of its own and boots a node with it.
func (l *lab) newBench(ctx context.Context, dir string) (*bench, error) {
	c, err := newControl(filepath.Join(dir, "control"))
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(dir, "bin")
	if err := build(ctx, bin, c); err != nil {
		return nil, err
	}
	if err := os.Setenv("TANGO_BIN", bin); err != nil {
		return nil, err
	}
	n, err := harness.Start(ctx, harness.Options{LogLevel: "debug"})
	if err != nil {
		return nil, err
	}
	b := &bench{Node: n, control: c, dir: filepath.Join(dir, "shared")}
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if _, err := n.Image(ctx, images.Config{Layers: 3}); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return b, b.listen(ctx)
}

// listen records events from now on; those of a containerd that is gone are lost.
func (b *bench) listen(ctx context.Context) (err error) {
	b.events, err = b.Record(ctx)
	return err
}

func build(ctx context.Context, bin string, c control) error {
	root, err := sourceTree()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join(root, "bin/tools"), filepath.Join(bin, "tools")); err != nil {
		return err
	}
	flags := "-s -w -linkmode external -extldflags -static -X tango/mounts/fault.control=" + string(c)
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-tags", buildTags, "-ldflags", flags,
		"-o", filepath.Join(bin, "containerd-shim-tango-v2"), "./shim/cmd/containerd-shim-tango-v2")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build a shim with fault points: %w\n%s", err, out)
	}
	return nil
}

// close ends the nodes; what they can't take away is an error.
func (l *lab) close() error {
	var errs []error
	for _, b := range l.benches {
		b.control.disarm()
		errs = append(errs, b.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}
