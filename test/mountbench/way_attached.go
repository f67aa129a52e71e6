package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
)

// attached makes roots as containerd does: an id-mapped mount of each layer, or
// of the directory that holds all layers, attached for as long as it takes to
// mount the overlay with mount(2), and then unmounted.
type attached struct {
	bed *bed
	// mounts are the id-mapped mounts by name below a slot, with their sources.
	mounts map[string]string
	lower  func(s *slot, layer int) string // path of a layer
}

// newPerLayer is containerd before its PR 12092: each layer has a mount of its
// own.
func newPerLayer(b *bed) (way, error) {
	a := &attached{bed: b, mounts: make(map[string]string)}
	for i := range b.layers {
		name := strconv.Itoa(i)
		a.mounts[name] = b.parent() + "/" + name
	}
	a.lower = func(s *slot, layer int) string { return s.layer(strconv.Itoa(layer)) }
	return a, a.check()
}

// newGrouped is containerd since then: one mount of the layers' parent.
func newGrouped(b *bed) (way, error) {
	a := &attached{bed: b, mounts: map[string]string{"g": b.parent()}}
	a.lower = func(s *slot, layer int) string { return s.layer("g") + "/" + strconv.Itoa(layer) }
	return a, a.check()
}

// check makes the mount points, and finds out whether the options of the overlay
// fit into the page that mount(2) takes.
func (a *attached) check() error {
	for _, s := range a.bed.slots {
		if size := len(a.options(s)); size >= os.Getpagesize() {
			return fmt.Errorf("cannot mount %d layers below %s: the options are %d bytes and a page holds %d: use fewer layers or a shorter -dir",
				a.bed.layers, a.bed.dir, size, os.Getpagesize())
		}
		for name := range a.mounts {
			if err := os.MkdirAll(s.layer(name), 0o755); err != nil {
				return err
			}
		}
	}
	return nil
}

// options are the overlay's, the topmost layer first.
func (a *attached) options(s *slot) string {
	lowers := make([]string, a.bed.layers)
	for i := range lowers {
		lowers[i] = a.lower(s, a.bed.layers-1-i)
	}
	return "lowerdir=" + strings.Join(lowers, ":") + ",upperdir=" + s.upper() + ",workdir=" + s.work()
}

func (a *attached) build(_ context.Context, s *slot) (retErr error) {
	done := make([]string, 0, len(a.mounts))
	defer func() {
		for _, at := range done {
			retErr = errors.Join(retErr, unmount(at))
		}
	}()
	for name, source := range a.mounts {
		if err := attachMapped(source, s.layer(name), a.bed.users); err != nil {
			return err
		}
		done = append(done, s.layer(name))
	}
	return a.overlay(s)
}

// overlay makes the root by mount(2).
func (a *attached) overlay(s *slot) error {
	if err := unix.Mount("overlay", s.root(), "overlay", 0, a.options(s)); err != nil {
		return fmt.Errorf("cannot mount a root of %d layers: %w", a.bed.layers, err)
	}
	return nil
}

// attachMapped attaches an id-mapped, read-only view of source.
func attachMapped(source, at string, users *os.File) error {
	m, err := openMapped(source, users)
	if err != nil {
		return err
	}
	defer m.Close() // attached: closing takes nothing away
	return m.Attach(nil, at)
}

// openMapped makes an id-mapped, read-only view of source that is attached
// nowhere.
func openMapped(source string, users *os.File) (*kernel.Mount, error) {
	m, err := kernel.OpenTree(nil, source, kernel.TreeClone)
	if err != nil {
		return nil, err
	}
	if err := m.IDMap(users, kernel.AttrReadOnly); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (a *attached) remove(s *slot, done func(error)) { done(unmount(s.root())) }

func (a *attached) close() error { return nil }

func unmount(at string) error {
	if err := unix.Unmount(at, unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("cannot unmount %s: %w", at, err)
	}
	return nil
}
