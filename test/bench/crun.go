package main

import (
	"errors"
	"fmt"
	"os/exec"

	"golang.org/x/sys/unix"

	"tango/test/sides"
)

// chooseSides finds out who takes part. crun is the stock shim's with that program
// instead of runc, which refuses machines that have cgroup v1 and v2 side by side:
// this mount namespace then shows v1 only, to all sides.
func (b *bench) chooseSides() (err error) {
	b.sides = sides.Two
	if b.crun == crunNone {
		return nil
	}
	name := b.crun
	if name == crunAuto {
		name = "crun"
	}
	if b.crunPath, err = exec.LookPath(name); err != nil {
		if b.crun == crunAuto && errors.Is(err, exec.ErrNotFound) {
			b.progress.Say("without crun: it is not in PATH")
			return nil
		}
		return fmt.Errorf("cannot compare with crun: %w", err)
	}
	b.sides = []sides.Side{sides.Tango, sides.Stock, sides.Crun}
	return hideUnified()
}

// unified is where machines with cgroup v1 have v2 beside it.
const unified = "/sys/fs/cgroup/unified"

// hideUnified takes cgroup v2 off this mount namespace where v1 is beside it.
func hideUnified() error {
	if !isCgroup2(unified) {
		return nil
	}
	if err := unix.Unmount(unified, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("cannot hide cgroup v2 from crun: %w", err)
	}
	return nil
}

func isCgroup2(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}
