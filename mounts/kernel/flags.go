package kernel

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MountAttr is a set of MOUNT_ATTR_* bits: the properties of one mount, as
// opposed to those of its filesystem. The access time mode is not a bit but a
// field of its own, [AttrAtime].
type MountAttr uint64

// Properties of a mount, from include/uapi/linux/mount.h.
const (
	AttrReadOnly    MountAttr = unix.MOUNT_ATTR_RDONLY
	AttrNoSuid      MountAttr = unix.MOUNT_ATTR_NOSUID
	AttrNoDev       MountAttr = unix.MOUNT_ATTR_NODEV
	AttrNoExec      MountAttr = unix.MOUNT_ATTR_NOEXEC
	AttrNoDirAtime  MountAttr = unix.MOUNT_ATTR_NODIRATIME
	AttrIDMap       MountAttr = unix.MOUNT_ATTR_IDMAP       // Linux 5.12; set by [Change.Users]
	AttrNoSymFollow MountAttr = unix.MOUNT_ATTR_NOSYMFOLLOW // Linux 5.14

	// AttrAtime masks the access time field, whose values follow.
	AttrAtime       MountAttr = unix.MOUNT_ATTR__ATIME
	AttrRelAtime    MountAttr = unix.MOUNT_ATTR_RELATIME // 0, the default
	AttrNoAtime     MountAttr = unix.MOUNT_ATTR_NOATIME
	AttrStrictAtime MountAttr = unix.MOUNT_ATTR_STRICTATIME
)

var attrNames = []flagName{
	{uint64(AttrReadOnly), "ro"},
	{uint64(AttrNoSuid), "nosuid"},
	{uint64(AttrNoDev), "nodev"},
	{uint64(AttrNoExec), "noexec"},
	{uint64(AttrNoDirAtime), "nodiratime"},
	{uint64(AttrIDMap), "idmap"},
	{uint64(AttrNoSymFollow), "nosymfollow"},
}

// String names the bits and the access time mode; what it does not know is in
// hexadecimal.
func (a MountAttr) String() string {
	head := ""
	rest := a &^ AttrAtime
	switch a & AttrAtime {
	case AttrRelAtime:
	case AttrNoAtime:
		head = "noatime"
	case AttrStrictAtime:
		head = "strictatime"
	case AttrAtime:
		head = "atime"
	default:
		rest = a
	}
	if head == "" || rest == 0 {
		return head + joinFlags(uint64(rest), attrNames)
	}
	return head + "|" + joinFlags(uint64(rest), attrNames)
}

// OpenTreeFlags says how [OpenTree] finds and copies a mount.
type OpenTreeFlags uint

// How a tree is opened. Descriptors are close-on-exec whatever the flags say.
const (
	// TreeClone makes a detached copy of the mount, freed with its last
	// descriptor unless attached. Without it the descriptor is a plain O_PATH
	// one of the path.
	TreeClone OpenTreeFlags = unix.OPEN_TREE_CLONE
	// TreeRecursive copies mounts below the path, too; only with TreeClone or
	// [NamespaceFromTree].
	TreeRecursive OpenTreeFlags = unix.AT_RECURSIVE
	// TreeNoFollow does not follow a symlink at the end of the path.
	TreeNoFollow OpenTreeFlags = unix.AT_SYMLINK_NOFOLLOW
	// TreeNoAutomount does not trigger an automount at the end of the path.
	TreeNoAutomount OpenTreeFlags = unix.AT_NO_AUTOMOUNT
	// TreeEmptyPath opens the directory descriptor itself; implied by an empty
	// path.
	TreeEmptyPath OpenTreeFlags = unix.AT_EMPTY_PATH

	// treeNamespace is OPEN_TREE_NAMESPACE, Linux 7.0: the descriptor is a mount
	// namespace's, so it is asked for by NamespaceFromTree only.
	treeNamespace OpenTreeFlags = 2
	treeCloexec   OpenTreeFlags = unix.O_CLOEXEC
)

var treeNames = []flagName{
	{uint64(TreeClone), "clone"},
	{uint64(treeNamespace), "namespace"},
	{uint64(TreeRecursive), "recursive"},
	{uint64(TreeNoFollow), "nofollow"},
	{uint64(TreeNoAutomount), "noautomount"},
	{uint64(TreeEmptyPath), "emptypath"},
	{uint64(treeCloexec), "cloexec"},
}

// String names the flags; unknown bits are in hexadecimal.
func (f OpenTreeFlags) String() string { return joinFlags(uint64(f), treeNames) }

// UnmountFlags are the flags of umount2.
type UnmountFlags uint

// How [Unmount] takes a mount away.
const (
	UnmountForce    UnmountFlags = unix.MNT_FORCE
	UnmountDetach   UnmountFlags = unix.MNT_DETACH // out of sight at once, gone when its last user is
	UnmountExpire   UnmountFlags = unix.MNT_EXPIRE
	UnmountNoFollow UnmountFlags = unix.UMOUNT_NOFOLLOW
)

var unmountNames = []flagName{
	{uint64(UnmountForce), "force"},
	{uint64(UnmountDetach), "detach"},
	{uint64(UnmountExpire), "expire"},
	{uint64(UnmountNoFollow), "nofollow"},
}

// String names the flags; unknown bits are in hexadecimal.
func (f UnmountFlags) String() string { return joinFlags(uint64(f), unmountNames) }

// Propagation says which mount events a mount takes from and gives to its
// peers: exactly one of the values below.
type Propagation uint64

// The ways of propagation, see mount_namespaces(7).
const (
	Private    Propagation = unix.MS_PRIVATE
	Slave      Propagation = unix.MS_SLAVE
	Shared     Propagation = unix.MS_SHARED
	Unbindable Propagation = unix.MS_UNBINDABLE
)

var propagationNames = []flagName{
	{uint64(Private), "private"},
	{uint64(Slave), "slave"},
	{uint64(Shared), "shared"},
	{uint64(Unbindable), "unbindable"},
}

// String names the way; unknown bits are in hexadecimal.
func (p Propagation) String() string { return joinFlags(uint64(p), propagationNames) }

type flagName struct {
	bits uint64
	name string
}

// joinFlags names the bits of v and adds what is left over as one hexadecimal
// number, so that a flag this package never heard of is still seen.
func joinFlags(v uint64, names []flagName) string {
	var parts []string
	for _, n := range names {
		if v&n.bits == n.bits {
			parts = append(parts, n.name)
			v &^= n.bits
		}
	}
	if v != 0 {
		parts = append(parts, "0x"+strconv.FormatUint(v, 16))
	}
	return strings.Join(parts, "|")
}
