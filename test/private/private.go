// Package private gives a measuring program a mount namespace of its own.
package private

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// privateEnv says that the process runs in a mount namespace of its own.
const privateEnv = "TANGO_PRIVATE_MOUNTS"

// Enter executes the program again in a mount namespace of its own, where it can
// mount thousands of things that the machine does not see, and which ends with it
// and its children. It returns when that is where it is. What the calling thread
// may run on, if the caller has locked it, becomes the whole process's.
func Enter() error {
	if os.Getenv(privateEnv) != "" {
		return os.Unsetenv(privateEnv)
	}
	if os.Geteuid() != 0 {
		return errors.New("cannot mount without root")
	}
	shared, err := rootIsShared()
	if err != nil {
		return err
	}
	// Only this thread moves, and execve makes it the process.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("cannot make a mount namespace: %w", err)
	}
	if err := cutPropagation(shared); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := unix.Exec(self, os.Args, append(os.Environ(), privateEnv+"=1")); err != nil {
		return fmt.Errorf("cannot execute %s: %w", self, err)
	}
	return nil
}

// cutPropagation keeps mounts from spreading to the machine. Where the
// machine's root is shared, as service managers make it, the new namespace's is
// shared too, within itself: that is part of what a mount costs.
func cutPropagation(shared bool) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make the mounts private: %w", err)
	}
	if !shared {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("cannot make the mounts shared: %w", err)
	}
	return nil
}

// rootIsShared reports whether mounts on the machine's root propagate.
func rootIsShared() (bool, error) {
	lines, err := Table()
	if err != nil {
		return false, err
	}
	shared := false
	for _, line := range lines {
		// The last mount on / is the one that is seen.
		if fields := strings.Fields(line); len(fields) > 6 && fields[4] == "/" {
			shared = strings.HasPrefix(fields[6], "shared:")
		}
	}
	return shared, nil
}

// Table returns the lines of this process' mountinfo.
func Table() ([]string, error) {
	data, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n"), nil
}
