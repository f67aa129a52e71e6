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
	for _, wanted := range b.overMounts {
		if err := b.startsBesideMounts(ctx, wanted); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) startsBesideMounts(ctx context.Context, wanted int) (retErr error) {
	b.progress.Say("filling the mount table up to %d mounts", wanted)
	there, release, err := fillMountTable(filepath.Join(b.node.Dir(), "hostmounts"), wanted)
	if err != nil {
		return err
	}
	defer func() { retErr = errors.Join(retErr, release()) }()
	title := fmt.Sprintf("create+start, %s mounts on the host", stats.Thousands(there))
	columns, err := b.lives(ctx, b.sides, title, b.spec)
	if err != nil {
		return err
	}
	b.report.add(row{ID: fmt.Sprintf("mounts.%d", wanted), Title: title, Unit: "ms", Group: "mounts", X: there}, columns[0])
	return nil
}

// fillMountTable makes mounts in and below dir until this mount namespace has
// as many as wanted, and returns how many it has. A table that is as long
// already stays as it is. Release takes the mounts and dir away.
func fillMountTable(dir string, wanted int) (there int, release func() error, err error) {
	table, err := private.Table()
	if err != nil {
		return 0, nil, err
	}
	missing := wanted - len(table)
	if missing <= 0 {
		return len(table), func() error { return nil }, nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, nil, err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		return 0, nil, errors.Join(fmt.Errorf("cannot mount a tmpfs: %w", err), os.Remove(dir))
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
			return 0, nil, errors.Join(err, release())
		}
		if err := unix.Mount(at, at, "", unix.MS_BIND, ""); err != nil {
			return 0, nil, errors.Join(fmt.Errorf("cannot fill the mount table: %w", err), release())
		}
	}
	return wanted, release, nil
}
