package kernel

import (
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Change is what one call alters of a mount. The zero value alters nothing.
type Change struct {
	// Set and Unset are properties. An access time mode in Set replaces the
	// present one; for [AttrRelAtime], which is no bit, unset [AttrAtime].
	Set, Unset MountAttr
	// Propagation is the way of propagation; 0 leaves it.
	Propagation Propagation
	// Users is a user namespace by which the mount shows the owners of its files,
	// another than the filesystem's own; nil leaves them. It may be closed
	// afterwards.
	Users *os.File
	// Recursive applies all of it to the mounts below as well, or nothing.
	Recursive bool
}

// Change alters the mount (mount_setattr, Linux 5.12). EPERM says that a property
// to unset is locked by another user namespace, or that owners are mapped already.
// With Users, the mount must be detached, and EINVAL also says that the
// filesystem, or with Recursive one below, knows no id-mapping, see
// [IDMappedMounts].
func (m *Mount) Change(c Change) error {
	defer runtime.KeepAlive(c.Users)
	attr, flags := c.attr(), uint(unix.AT_EMPTY_PATH|c.tree())
	err := m.use(func(fd int) error {
		return call("mount_setattr", func() error { return unix.MountSetattr(fd, "", flags, &attr) })
	})
	if err != nil {
		return &Error{Op: "mount_setattr", Source: m.name, Flags: c.String(), Err: err}
	}
	return nil
}

// attr is the change as the kernel takes it.
func (c Change) attr() unix.MountAttr {
	a := unix.MountAttr{Attr_set: uint64(c.Set), Attr_clr: uint64(c.Unset), Propagation: uint64(c.Propagation)}
	if c.Set&AttrAtime != 0 {
		a.Attr_clr |= uint64(AttrAtime)
	}
	if c.Users != nil {
		a.Attr_set |= uint64(AttrIDMap)
		a.Userns_fd = uint64(c.Users.Fd())
	}
	return a
}

// tree is the flag of a recursive change.
func (c Change) tree() OpenTreeFlags {
	if c.Recursive {
		return TreeRecursive
	}
	return 0
}

// String names everything that the change asks for.
func (c Change) String() string {
	var parts []string
	attr := c.attr()
	if attr.Attr_set != 0 {
		parts = append(parts, "set="+MountAttr(attr.Attr_set).String())
	}
	if attr.Attr_clr != 0 {
		parts = append(parts, "clear="+MountAttr(attr.Attr_clr).String())
	}
	if c.Propagation != 0 {
		parts = append(parts, c.Propagation.String())
	}
	if c.Recursive {
		parts = append(parts, "recursive")
	}
	return strings.Join(parts, ",")
}

// SetAttr is [Mount.Change] of properties.
func (m *Mount) SetAttr(set, unset MountAttr, recursive bool) error {
	return m.Change(Change{Set: set, Unset: unset, Recursive: recursive})
}

// SetPropagation is [Mount.Change] of the way of propagation.
func (m *Mount) SetPropagation(p Propagation, recursive bool) error {
	return m.Change(Change{Propagation: p, Recursive: recursive})
}

// IDMap is [Mount.Change] of the owners. It also makes the mount private, so that
// what is mounted below its source does not follow.
func (m *Mount) IDMap(users *os.File, set MountAttr) error {
	return m.Change(Change{Set: set, Propagation: Private, Users: users})
}
