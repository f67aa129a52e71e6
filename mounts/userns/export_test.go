package userns

import "runtime"

// StartHolder starts a holder whose end nobody waits for, and locks the calling
// goroutine to the thread that the holder depends on.
func StartHolder() (pid int, err error) {
	runtime.LockOSThread()
	h, err := startHolder(false)
	if err != nil {
		return 0, err
	}
	return int(h.c.pid), nil
}
