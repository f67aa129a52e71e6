package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tango/test/private"
	"tango/test/stats"
)

// startsOverMounts measures with few and many mounts on the host, as a node has
// that runs hundreds of pods.
func (b *bench) startsOverMounts(ctx context.Context) error {
	table, err := private.Table()
	if err != nil {
		return err
	}
	var points []point
	for _, wanted := range b.overMounts {
		n := max(wanted, len(table))
		points = append(points, point{
			name: stats.Thousands(n) + " mounts on the host", x: n, spec: b.spec,
			enter: func() (func() error, error) { return fillMountTable(filepath.Join(b.node.Dir(), "hostmounts"), n) },
		})
	}
	return b.measureSeries(ctx, b.sides, "mounts", points)
}

// fillMountTable makes mounts in and below dir until this mount namespace has
// as many as wanted. A table that is as long already stays as it is. Release takes the
// mounts and dir away.
func fillMountTable(dir string, wanted int) (release func() error, err error) {
	table, err := private.Table()
	if err != nil {
		return nil, err
	}
	missing := wanted - len(table)
	if missing <= 0 {
		return func() error { return nil }, nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot mount a tmpfs: %w", err), os.Remove(dir))
	}
	release = func() error {
		// One call for all: they hang below the first.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("cannot take the host's mounts away: %w", err)
		}
		return os.Remove(dir)
	}
	for i := range missing - 1 {
		at := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(at, 0o700); err != nil {
			return nil, errors.Join(err, release())
		}
		if err := unix.Mount(at, at, "", unix.MS_BIND, ""); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot fill the mount table: %w", err), release())
		}
	}
	return release, nil
}
