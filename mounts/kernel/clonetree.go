package kernel

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CloneTree makes a detached copy of the mount at path, relative to dir, as
// [OpenTree] with [TreeClone] does, of all below it if the change is recursive,
// and alters it. It is one call where the kernel has [OpenTreeAttr], else two.
func CloneTree(dir *os.File, path string, c Change) (*Mount, error) {
	if OpenTreeAttr.Probe() == nil {
		return cloneAtOnce(dir, path, c)
	}
	return cloneThenChange(dir, path, c)
}

func cloneThenChange(dir *os.File, path string, c Change) (*Mount, error) {
	m, err := OpenTree(dir, path, TreeClone|c.tree())
	if err != nil {
		return nil, err
	}
	if err := m.Change(c); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func cloneAtOnce(dir *os.File, path string, c Change) (*Mount, error) {
	defer runtime.KeepAlive(dir)
	defer runtime.KeepAlive(c.Users)
	m := &Mount{name: describe(dir, path)}
	attr, flags := c.attr(), TreeClone|treeCloexec|c.tree()
	if path == "" {
		flags |= TreeEmptyPath
	}
	err := call("open_tree_attr", func() error {
		fd, err := openTreeAttr(at(dir), path, flags, &attr)
		if err == nil {
			m.set(fd, "opentree:"+m.name)
		}
		return err
	})
	if err != nil {
		return nil, &Error{Op: "open_tree_attr", Source: m.name, Flags: flags.String() + "," + c.String(), Err: err}
	}
	return m, nil
}

// openTreeAttr is the system call (Linux 6.15).
func openTreeAttr(dir int, path string, flags OpenTreeFlags, attr *unix.MountAttr) (int, error) {
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return -1, err
	}
	fd, _, errno := unix.Syscall6(unix.SYS_OPEN_TREE_ATTR, uintptr(dir), uintptr(unsafe.Pointer(name)),
		uintptr(flags), uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr), 0)
	return int(fd), errnoOrNil(errno)
}
