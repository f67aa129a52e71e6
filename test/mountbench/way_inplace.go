package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// inPlace makes roots as tango's shims do: one id-mapped mount of the layers' parent,
// attached nowhere. It is the thread's working directory while mount(2), in one call,
// makes the overlay of names that are relative to it, and attaches it.
type inPlace struct {
	*attached
}

func newInPlace(b *bed) (way, error) {
	a := &attached{bed: b, lower: func(_ *slot, layer int) string { return strconv.Itoa(layer) }}
	return inPlace{a}, errors.Join(needsDetachedLayers(), a.check())
}

func (p inPlace) build(_ context.Context, s *slot) (retErr error) {
	parent, err := openMapped(p.bed.parent(), p.bed.users)
	if err != nil {
		return err
	}
	defer func() { retErr = errors.Join(retErr, parent.Close()) }() // takes it away
	// The working directory is to be this thread's own; it costs nothing if it is.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("cannot give a thread its own working directory: %w", err)
	}
	if err := unix.Fchdir(parent.Fd()); err != nil {
		return fmt.Errorf("cannot enter the layers' parent: %w", err)
	}
	defer func() { retErr = errors.Join(retErr, unix.Chdir("/")) }()
	return p.overlay(s)
}
