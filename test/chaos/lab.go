package main

import (
	"bytes"
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

const shimName = "containerd-shim-tango-v2"

// bench is one node with a shim that can be made to fail.
type bench struct {
	*harness.Node
	control control
	events  *harness.Events
	dir     string      // a directory of the host that containers mount
	down    atomic.Bool // containerd was killed and is not back
	orphans bool        // a shim is killed in this storm, and the service that started it may be
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
	program, err := l.build(ctx)
	if err != nil {
		return nil, err
	}
	l.benches = make([]*bench, s.workers)
	errs := make(chan error, s.workers)
	for i := range l.benches {
		go func() {
			var err error
			l.benches[i], err = l.newBench(ctx, i, program)
			errs <- err
		}()
	}
	for range l.benches {
		err = errors.Join(err, <-errs)
	}
	return l, err
}

// newBench boots a node whose shim has a control directory of its own.
func (l *lab) newBench(ctx context.Context, i int, program []byte) (_ *bench, retErr error) {
	c, err := newControl(l.control(i))
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(l.home(i), "bin")
	if err := l.install(i, bin, program); err != nil {
		return nil, err
	}
	n, err := harness.Start(ctx, harness.Options{LogLevel: "debug", Bin: bin, Env: []string{"TANGO_FAULTS=" + string(c)}})
	if err != nil {
		return nil, err
	}
	defer func() {
		if retErr != nil {
			retErr = errors.Join(retErr, n.Close())
		}
	}()
	b := &bench{Node: n, control: c, dir: filepath.Join(l.home(i), "shared")}
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		return nil, err
	}
	if _, err := n.Image(ctx, images.Config{Layers: 3}); err != nil {
		return nil, err
	}
	return b, b.listen(ctx)
}

// home is what belongs to a node besides what it has itself.
func (l *lab) home(i int) string { return filepath.Join(l.dir, fmt.Sprintf("%02d", i)) }

func (l *lab) control(i int) string { return filepath.Join(l.home(i), "control") }

// listen records events from now on; those of a containerd that is gone are lost.
func (b *bench) listen(ctx context.Context) (err error) {
	b.events, err = b.Record(ctx)
	return err
}

// build returns a shim with fault points, which has the first node's control directory.
func (l *lab) build(ctx context.Context) ([]byte, error) {
	root, err := sourceTree()
	if err != nil {
		return nil, err
	}
	program := filepath.Join(l.dir, shimName)
	flags := "-s -w -linkmode external -extldflags '-static -Wl,-z,max-page-size=0x200000' -X tango/mounts/fault.control=" + l.control(0)
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-tags", buildTags, "-ldflags", flags,
		"-o", program, "./shim/cmd/"+shimName)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cannot build a shim with fault points: %w\n%s", err, out)
	}
	return os.ReadFile(program)
}

// install puts the shim into a directory of programs. It gets the node's own control
// directory, whose name has the length of the one that it was linked with: linking takes
// ten times as long.
func (l *lab) install(i int, bin string, program []byte) error {
	root, err := sourceTree()
	if err != nil {
		return err
	}
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join(root, "bin/tools"), filepath.Join(bin, "tools")); err != nil {
		return err
	}
	own := bytes.ReplaceAll(program, []byte(l.control(0)), []byte(l.control(i)))
	return os.WriteFile(filepath.Join(bin, shimName), own, 0o755)
}

// close ends the nodes, all at once; what they can't take away is an error.
func (l *lab) close() error {
	errs := make(chan error, len(l.benches))
	for _, b := range l.benches {
		go func() {
			if b == nil { // it did not come up
				errs <- nil
				return
			}
			b.control.disarm()
			errs <- b.Close()
		}()
	}
	var all []error
	for range l.benches {
		all = append(all, <-errs)
	}
	return errors.Join(append(all, os.RemoveAll(l.dir))...)
}
