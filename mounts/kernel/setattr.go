package kernel

import (
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// SetAttr sets and unsets properties of the mount (mount_setattr, Linux 5.12),
// recursive also of the mounts below it, all or none. An access time mode in set
// replaces the present one; for [AttrRelAtime], which is no bit, unset
// [AttrAtime]. EPERM says that a property to unset is locked by another user
// namespace.
func (m *Mount) SetAttr(set, unset MountAttr, recursive bool) error {
	if set&AttrAtime != 0 {
		unset |= AttrAtime
	}
	return m.setattr(&unix.MountAttr{Attr_set: uint64(set), Attr_clr: uint64(unset)}, recursive)
}

// SetPropagation changes the way of propagation, recursive also of the mounts
// below.
func (m *Mount) SetPropagation(p Propagation, recursive bool) error {
	return m.setattr(&unix.MountAttr{Propagation: uint64(p)}, recursive)
}

// IDMap makes the mount show its files with their owners mapped by a user
// namespace, makes it private, so that what is mounted below its source does not
// follow, and sets further properties, all in one call. The mount must be
// detached and not id-mapped yet, and the namespace another than the
// filesystem's own (EINVAL or EPERM otherwise); EINVAL also says that the
// filesystem knows no id-mapping, see [IDMappedMounts]. The namespace's
// descriptor may be closed afterwards.
func (m *Mount) IDMap(userns *os.File, set MountAttr) error {
	defer runtime.KeepAlive(userns)
	attr := unix.MountAttr{Attr_set: uint64(set | AttrIDMap), Propagation: uint64(Private), Userns_fd: uint64(userns.Fd())}
	if set&AttrAtime != 0 {
		attr.Attr_clr = uint64(AttrAtime)
	}
	return m.setattr(&attr, false)
}

func (m *Mount) setattr(attr *unix.MountAttr, recursive bool) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	err := m.use(func(fd int) error {
		return call("mount_setattr", func() error { return unix.MountSetattr(fd, "", flags, attr) })
	})
	if err != nil {
		return &Error{Op: "mount_setattr", Source: m.name, Flags: describeAttr(attr, recursive), Err: err}
	}
	return nil
}

// describeAttr names everything that a mount_setattr asks for.
func describeAttr(attr *unix.MountAttr, recursive bool) string {
	var parts []string
	if attr.Attr_set != 0 {
		parts = append(parts, "set="+MountAttr(attr.Attr_set).String())
	}
	if attr.Attr_clr != 0 {
		parts = append(parts, "clear="+MountAttr(attr.Attr_clr).String())
	}
	if attr.Propagation != 0 {
		parts = append(parts, Propagation(attr.Propagation).String())
	}
	if recursive {
		parts = append(parts, "recursive")
	}
	return strings.Join(parts, ",")
}
