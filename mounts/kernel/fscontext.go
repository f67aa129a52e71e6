package kernel

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// FSContext owns the descriptor of a filesystem under configuration
// (fsopen, Linux 5.2). It is not safe for concurrent use.
type FSContext struct {
	descriptor
	fstype string
	source string
}

// OpenFS starts a new filesystem of the given type. ENODEV says that the kernel
// has no such filesystem.
func OpenFS(fstype string) (*FSContext, error) {
	c := &FSContext{fstype: fstype}
	err := call("fsopen", func() error {
		fd, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
		if err == nil {
			c.set(fd, "fscontext:"+fstype)
		}
		return err
	})
	if err != nil {
		return nil, &Error{Op: "fsopen", FS: fstype, Err: err}
	}
	return c, nil
}

// PickFS opens the filesystem under m for reconfiguration (fspick): set what
// changes, then call [FSContext.Reconfigure]. m stays the caller's, and must be
// the root of its filesystem's mount.
func PickFS(m *Mount) (*FSContext, error) {
	c := &FSContext{source: m.name}
	err := m.use(func(mfd int) error {
		return call("fspick", func() error {
			fd, err := unix.Fspick(mfd, "", unix.FSPICK_CLOEXEC|unix.FSPICK_EMPTY_PATH)
			if err == nil {
				c.set(fd, "fscontext:"+m.name)
			}
			return err
		})
	})
	if err != nil {
		return nil, &Error{Op: "fspick", Source: m.name, Err: err}
	}
	return c, nil
}

// SetString sets a parameter that takes a value ("source", "lowerdir+").
func (c *FSContext) SetString(key, value string) error {
	if key == "source" {
		c.source = value
	}
	return c.config(key, value, func(fd int) error {
		return unix.FsconfigSetString(fd, key, value)
	})
}

// SetFlag sets a parameter without a value ("ro", "volatile").
func (c *FSContext) SetFlag(key string) error {
	return c.config(key, "", func(fd int) error { return unix.FsconfigSetFlag(fd, key) })
}

// SetFile sets a parameter to an open file, which the kernel keeps for itself:
// f stays the caller's and may be closed at once. Overlayfs takes its layers so
// since Linux 6.13 (see [OverlayLayerFD]).
func (c *FSContext) SetFile(key string, f *os.File) error {
	defer runtime.KeepAlive(f)
	return c.config(key, f.Name(), func(fd int) error {
		return unix.FsconfigSetFd(fd, key, int(f.Fd()))
	})
}

// Mount creates the filesystem, or finds the existing one with the same source,
// and returns it as a detached mount with the given properties. A context makes
// one filesystem: a second call fails with EBUSY.
func (c *FSContext) Mount(attrs MountAttr) (*Mount, error) {
	if err := c.create(); err != nil {
		return nil, err
	}
	m := &Mount{name: c.mountName()}
	if err := c.fsmount(fsmountCloexec, attrs, &m.descriptor); err != nil {
		return nil, err
	}
	return m, nil
}

// MountNamespace creates the filesystem and returns it as the root of a new
// mount namespace that the calling thread's user namespace owns
// (FSMOUNT_NAMESPACE, see [FSMountNamespace]).
func (c *FSContext) MountNamespace(attrs MountAttr) (*Namespace, error) {
	if err := c.create(); err != nil {
		return nil, err
	}
	n := &Namespace{}
	if err := c.fsmount(fsmountCloexec|fsmountNamespace, attrs, &n.descriptor); err != nil {
		return nil, err
	}
	return n, nil
}

// Reconfigure applies what was set since [PickFS].
func (c *FSContext) Reconfigure() error {
	return c.failure("fsconfig reconfigure", c.source, c.use(func(fd int) error {
		return once("fsconfig", func() error { return unix.FsconfigReconfigure(fd) })
	}))
}

// Close gives the context up; mounts made from it live on.
func (c *FSContext) Close() error { return c.close() }

func (c *FSContext) config(key, value string, set func(fd int) error) error {
	return c.failure("fsconfig "+key, value, c.use(func(fd int) error {
		return call("fsconfig", func() error { return set(fd) })
	}))
}

// create makes the superblock. It is not repeated after EINTR: a context that
// failed once answers EBUSY (vfs_cmd_create in fs/fsopen.c).
func (c *FSContext) create() error {
	return c.failure("fsconfig create", c.source, c.use(func(fd int) error {
		return once("fsconfig", func() error { return unix.FsconfigCreate(fd) })
	}))
}

const (
	fsmountCloexec   = unix.FSMOUNT_CLOEXEC
	fsmountNamespace = 2 // FSMOUNT_NAMESPACE, Linux 7.0
)

var fsmountNames = []flagName{{fsmountCloexec, "cloexec"}, {fsmountNamespace, "namespace"}}

// fsmount puts the created filesystem's mount, or namespace, into d.
func (c *FSContext) fsmount(flags int, attrs MountAttr, d *descriptor) error {
	err := c.use(func(fd int) error {
		return call("fsmount", func() error {
			made, err := unix.Fsmount(fd, flags, int(attrs))
			if err == nil {
				d.set(made, "fsmount:"+c.mountName())
			}
			return err
		})
	})
	if err == nil {
		return nil
	}
	return &Error{
		Op: "fsmount", FS: c.fstype, Source: c.source, Err: err, Log: c.log(),
		Flags: joinFlags(uint64(flags), fsmountNames) + " attr=" + attrs.String(),
	}
}

// mountName is what mounts of this filesystem are called in errors.
func (c *FSContext) mountName() string {
	if c.source == "" {
		return c.fstype
	}
	return c.fstype + ":" + c.source
}

// failure dresses an errno with what the filesystem wrote about it.
func (c *FSContext) failure(op, source string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, FS: c.fstype, Source: source, Log: c.log(), Err: err}
}
