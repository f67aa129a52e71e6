package kernel

import (
	"os"

	"golang.org/x/sys/unix"
)

// without lists errors that say no: those given, and those of a kernel that has
// no fsopen, or no overlayfs.
func without(errs ...error) []error { return append(errs, unix.ENOSYS, unix.ENODEV) }

// probeLowerdirPlus gives a layer that is not there: ENOENT if the option is
// known, EINVAL if not.
func probeLowerdirPlus() error {
	c, err := OpenFS("overlay")
	if err != nil {
		return verdict(err, nil, without())
	}
	defer c.Close()
	return verdict(c.SetString("lowerdir+", noSuchPath), []error{unix.ENOENT}, without(unix.EINVAL))
}

// probeOverlayLayerFD gives an open directory, which is only looked at: no
// filesystem is made. EINVAL says that the option wants a string.
func probeOverlayLayerFD() error {
	return verdict(setLayer(os.O_RDONLY), nil, without(unix.EINVAL))
}

// probeOverlayLayerPathFD does the same with O_PATH. EBADF says that such a
// descriptor is not looked up.
func probeOverlayLayerPathFD() error {
	return verdict(setLayer(unix.O_PATH), nil, without(unix.EINVAL, unix.EBADF))
}

// setLayer gives the root directory, opened with flags, to an overlay.
func setLayer(flags int) error {
	c, err := OpenFS("overlay")
	if err != nil {
		return err
	}
	defer c.Close()
	dir, err := os.OpenFile("/", flags|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	return c.SetFile("lowerdir+", dir)
}

// probeOverlayDetachedLayer makes an overlay of two directories of a tmpfs that
// is attached nowhere. EINVAL comes from clone_private_mount (fs/namespace.c).
func probeOverlayDetachedLayer() error {
	if err := OverlayLayerFD.Probe(); err != nil {
		return err
	}
	tmpfs, err := scratch()
	if err != nil {
		return err
	}
	defer tmpfs.Close()
	return verdict(overlayOn(tmpfs), nil, []error{unix.EINVAL})
}

// scratchDirs are the directories of a scratch filesystem.
var scratchDirs = []string{"a", "b"}

// scratch makes a detached tmpfs with two empty directories.
func scratch() (*Mount, error) {
	c, err := OpenFS("tmpfs")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	m, err := c.Mount(0)
	if err != nil {
		return nil, err
	}
	for _, name := range scratchDirs {
		if err := unix.Mkdirat(m.Fd(), name, 0o755); err != nil {
			m.Close()
			return nil, err
		}
	}
	return m, nil
}

// overlayOn makes and drops an overlay of the two directories of m.
func overlayOn(m *Mount) error {
	c, err := OpenFS("overlay")
	if err != nil {
		return err
	}
	defer c.Close()
	for _, name := range scratchDirs {
		dir, err := m.Open(name, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		err = c.SetFile("lowerdir+", dir)
		dir.Close()
		if err != nil {
			return err
		}
	}
	return c.create()
}
