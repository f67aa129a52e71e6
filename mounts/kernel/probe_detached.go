package kernel

import "golang.org/x/sys/unix"

// probeDetachedOnDetached puts one nameless tmpfs on another.
func probeDetachedOnDetached() error {
	below, err := scratch()
	if err != nil {
		return err
	}
	defer below.Close()
	above, err := scratch()
	if err != nil {
		return err
	}
	defer above.Close()
	return verdict(above.Attach(below.File(), scratchDirs[0]), nil, []error{unix.EINVAL})
}
