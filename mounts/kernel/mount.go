package kernel

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Mount owns a descriptor of a mount's root. While the mount is attached
// nowhere, the descriptor is all that keeps it: the last close takes the mount
// away, and waits for an RCU grace period as umount does (0.06 ms alone, 0.9 ms
// with 16 at a time on two cores), so mind which goroutine closes.
type Mount struct {
	descriptor
	name string
}

// AdoptMount makes a Mount of a descriptor that came from elsewhere, such as a
// socket. The Mount owns f from then on.
func AdoptMount(f *os.File) *Mount {
	m := &Mount{name: f.Name()}
	m.file.Store(f)
	return m
}

// OpenTree opens the mount at path, relative to dir (nil is the working
// directory). With [TreeClone] the result is a detached copy that shows what lies
// at path as its root: a bind mount without a place. It takes the propagation of
// the original: clones of shared mounts are shared.
func OpenTree(dir *os.File, path string, flags OpenTreeFlags) (*Mount, error) {
	m := &Mount{name: describe(dir, path)}
	if err := openTree(dir, path, flags, &m.descriptor); err != nil {
		return nil, err
	}
	return m, nil
}

// openTree puts the tree's descriptor, or its namespace's, into d.
func openTree(dir *os.File, path string, flags OpenTreeFlags, d *descriptor) error {
	defer runtime.KeepAlive(dir)
	flags |= treeCloexec
	if path == "" {
		flags |= TreeEmptyPath
	}
	err := call("open_tree", func() error {
		fd, err := unix.OpenTree(at(dir), path, uint(flags))
		if err == nil {
			d.set(fd, "opentree:"+describe(dir, path))
		}
		return err
	})
	if err != nil {
		return &Error{Op: "open_tree", Source: describe(dir, path), Flags: flags.String(), Err: err}
	}
	return nil
}

// Attach makes the mount appear at path, relative to dir (nil is the working
// directory), in the mount namespace of the calling thread. An empty path is dir
// itself. A symlink or automount point at the end of path is not followed.
//
// Dir may lie on a detached mount where [DetachedOnDetached] says so. The Mount
// still owns its descriptor, but closing it takes nothing away any more.
func (m *Mount) Attach(dir *os.File, path string) error {
	defer runtime.KeepAlive(dir)
	flags := unix.MOVE_MOUNT_F_EMPTY_PATH
	if path == "" {
		flags |= unix.MOVE_MOUNT_T_EMPTY_PATH
	}
	err := m.use(func(fd int) error {
		return call("move_mount", func() error {
			return unix.MoveMount(fd, "", at(dir), path, flags)
		})
	})
	if err != nil {
		return &Error{Op: "move_mount", Source: m.name, Target: describe(dir, path), Err: err}
	}
	return nil
}

// Open opens rel below the mount's root, in this mount only: a way out by "..",
// an absolute or magic symlink, or another mount on top is EXDEV (magic links:
// ELOOP). Flags are those of openat, O_CLOEXEC is added; it creates no files.
// The caller owns the result.
func (m *Mount) Open(rel string, flags int) (*os.File, error) {
	return m.openat2(rel, flags, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS|unix.RESOLVE_NO_XDEV)
}

// Resolve opens rel as a process that has the mount for its root directory
// would: absolute symlinks and ".." stay inside, and what is mounted below is
// seen. Magic links are ELOOP. The caller owns the result.
func (m *Mount) Resolve(rel string, flags int) (*os.File, error) {
	return m.openat2(rel, flags, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
}

// maxResolveTries bounds the tries when a rename or mount anywhere on the
// machine makes the kernel give up on a ".." with EAGAIN (openat2(2)). One in
// a few thousand is repeated under load; 128 in a row is an attack.
const maxResolveTries = 128

func (m *Mount) openat2(rel string, flags int, resolve uint64) (*os.File, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolve}
	fd := -1
	err := m.use(func(root int) error {
		var err error
		for range maxResolveTries {
			fd, err = unix.Openat2(root, rel, &how)
			if err != unix.EINTR && err != unix.EAGAIN {
				return err
			}
		}
		return err
	})
	if err != nil {
		return nil, &Error{Op: "openat2", Source: m.name, Target: rel, Err: err}
	}
	return os.NewFile(uintptr(fd), m.name+"/"+rel), nil
}

// Fd returns the descriptor's number, still owned by the Mount; -1 when closed.
func (m *Mount) Fd() int { return m.number() }

// File returns the descriptor, still owned by the Mount: do not close it. It is
// nil when closed.
func (m *Mount) File() *os.File { return m.file.Load() }

// Name tells what the mount was made of, for messages.
func (m *Mount) Name() string { return m.name }

// Disown hands the descriptor to the caller; the Mount is closed after that. It
// returns nil when there is nothing to hand over.
func (m *Mount) Disown() *os.File { return m.disown() }

// Close gives the mount up; a second call does nothing. Of a mount that is
// attached nowhere this is an unmount.
func (m *Mount) Close() error {
	if m == nil || m.number() < 0 {
		return nil
	}
	err := once("close", m.close)
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
