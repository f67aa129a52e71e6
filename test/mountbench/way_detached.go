package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
)

// errCannotHere says that the kernel lacks what a way needs.
var errCannotHere = errors.New("this kernel cannot stack layers that are attached nowhere (Linux 6.15)")

// detached makes roots as tango does where it can't say yet where they will be, as in
// its mount service: one id-mapped mount of the layers' parent, attached nowhere, with
// the layers given to the overlay by descriptor.
type detached struct {
	bed *bed
}

func newDetached(b *bed) (way, error) { return &detached{b}, needsDetachedLayers() }

func (d *detached) build(_ context.Context, s *slot) error {
	parent, err := d.assemble(s)
	if parent != nil {
		err = errors.Join(err, parent.Close()) // takes it away
	}
	return err
}

// assemble makes the root and attaches it. What it returns, also with an error,
// is the layers' parent, which the root does not need any more: whoever closes it
// waits for its end.
func (d *detached) assemble(s *slot) (*kernel.Mount, error) {
	parent, err := openMapped(d.bed.parent(), d.bed.users)
	if err != nil {
		return nil, err
	}
	c, err := kernel.OpenFS("overlay")
	if err != nil {
		return parent, err
	}
	defer c.Close()
	for i := d.bed.layers - 1; i >= 0; i-- {
		if err := addLayer(c, parent, i); err != nil {
			return parent, err
		}
	}
	if err := errors.Join(c.SetString("upperdir", s.upper()), c.SetString("workdir", s.work())); err != nil {
		return parent, err
	}
	root, err := c.Mount(0)
	if err != nil {
		return parent, err
	}
	defer root.Close() // attached: closing takes nothing away
	return parent, root.Attach(nil, s.root())
}

// addLayer gives the overlay a layer, below those that it has.
func addLayer(c *kernel.FSContext, parent *kernel.Mount, layer int) error {
	dir, err := parent.Open(strconv.Itoa(layer), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("cannot open layer %d: %w", layer, err)
	}
	defer func(f *os.File) { f.Close() }(dir)
	return c.SetFile("lowerdir+", dir)
}

func (d *detached) remove(s *slot, done func(error)) { done(unmount(s.root())) }

func (d *detached) close() error { return nil }
