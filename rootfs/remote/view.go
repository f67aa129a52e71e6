package remote

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// here tells where this process looks paths up: its mount namespace, and the root
// directory in it. Two processes of which it is the same mean the same by a path.
// It is that of the process's first thread, which stays where the process is.
func here() (string, error) {
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/mnt", &ns); err != nil {
		return "", fmt.Errorf("cannot tell the own mount namespace: %w", err)
	}
	var root unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, "/", 0, unix.STATX_INO|unix.STATX_MNT_ID, &root); err != nil {
		return "", fmt.Errorf("cannot tell the own root directory: %w", err)
	}
	return fmt.Sprintf("%d:%d:%d", ns.Ino, root.Mnt_id, root.Ino), nil
}
