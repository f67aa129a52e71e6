package userns

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// StartHolder starts a holder whose end nobody waits for, and locks the calling
// goroutine to the thread that the holder depends on.
func StartHolder() (pid int, err error) {
	runtime.LockOSThread()
	h, err := startHolder(noMounts)
	if err != nil {
		return 0, err
	}
	return int(h.c.pid), nil
}

// KillHolder kills a holder that is to make a mount namespace by open_tree, as soon as
// it has been started, and tells what comes of the namespace and of the holder.
func KillHolder() (mountsErr, endErr error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	h, err := startHolder(byTree)
	if err != nil {
		return nil, err
	}
	killErr := unix.Kill(int(h.c.pid), unix.SIGKILL)
	mounts, err := h.openMounts()
	mounts.Close()
	return err, errors.Join(killErr, h.end())
}
