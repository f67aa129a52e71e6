package remote

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// standing tells what the mounts that this process makes depend on: where it looks
// paths up, which is its mount namespace and the root directory in it, and what it
// may do there. An overlay acts for ever with the capabilities, and the label of a
// security module, of who made it (ovl_override_creds in fs/overlayfs/util.c), so
// mounts may only be made for those of the same standing.
//
// It is that of the process's first thread, which stays where the process is.
func standing() (string, error) {
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/mnt", &ns); err != nil {
		return "", fmt.Errorf("cannot tell the own mount namespace: %w", err)
	}
	var root unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, "/", 0, unix.STATX_INO|unix.STATX_MNT_ID, &root); err != nil {
		return "", fmt.Errorf("cannot tell the own root directory: %w", err)
	}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &caps[0]); err != nil {
		return "", fmt.Errorf("cannot tell the own capabilities: %w", err)
	}
	label, err := label()
	return fmt.Sprintf("%d:%d:%d %x:%x %s", ns.Ino, root.Mnt_id, root.Ino, caps[0].Effective, caps[1].Effective, label), err
}

// label is that of the security module that is in force; empty if there is none.
func label() (string, error) {
	b, err := os.ReadFile("/proc/self/attr/current")
	if errors.Is(err, unix.EINVAL) || errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot tell the own security label: %w", err)
	}
	return strings.TrimRight(string(b), "\n\x00"), nil
}
