package kernel

import (
	"errors"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// without lists errors that say no: those given, and those of a kernel that has
// no fsopen, or no overlayfs.
func without(errs ...error) []error { return append(errs, unix.ENOSYS, unix.ENODEV) }

// probeLowerdirPlus gives the root directory as a layer, which is only looked at:
// no filesystem is made. A path that is not there would do, but overlayfs writes
// that to the kernel's log, which took 2 ms on a machine with a slow console.
//
// Before Linux 6.5 overlayfs was no user of fs_context: such a filesystem takes
// any string, and complains when it is created. So a made-up option comes first.
func probeLowerdirPlus() error {
	c, err := OpenFS("overlay")
	if err != nil {
		return verdict(err, nil, without())
	}
	defer c.Close()
	if c.SetString("tango-no-such-option", "") == nil {
		return lacking(errAnyOption)
	}
	return unknownOption(c.SetString("lowerdir+", "/"))
}

// probeOverlayLayerFD gives the root directory as an open file.
func probeOverlayLayerFD() error { return unknownOption(setLayer(os.O_RDONLY)) }

// probeOverlayLayerPathFD does the same with O_PATH. EBADF says that such a
// descriptor is not looked up.
func probeOverlayLayerPathFD() error {
	err := setLayer(unix.O_PATH)
	if errors.Is(err, unix.EBADF) {
		return lacking(err)
	}
	return unknownOption(err)
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

// errAnyOption is why an option that was not refused proves nothing.
var errAnyOption = errors.New("overlay takes any option until it is created")

// refusals are what the kernel writes to a context's log about an option that is
// not known, or not in this form: fs/fs_parser.c, fs/fs_context.c.
var refusals = []string{"Unknown parameter", "Bad value", "Legacy: Parameter type"}

// unknownOption reads the error of setting an option. EINVAL may also be a word
// on the value, so only the log tells. ENOTSUP says that the filesystem is no
// user of fs_context and takes strings only (fs/fsopen.c).
func unknownOption(err error) error {
	var e *Error
	if errors.Is(err, unix.EINVAL) && errors.As(err, &e) && hasRefusal(e.Log) {
		return lacking(err)
	}
	return verdict(err, nil, without(unix.ENOTSUP))
}

func hasRefusal(log []string) bool {
	return slices.ContainsFunc(log, func(line string) bool {
		return slices.ContainsFunc(refusals, func(r string) bool { return strings.Contains(line, r) })
	})
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
