package kernel

import (
	"bytes"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MountID is the unique 64-bit number of a mount, never used twice between
// boots; not the reused number in mountinfo.
type MountID uint64

// RootMount stands for the root of the caller's mount namespace in [List].
const RootMount MountID = 0xffffffffffffffff // LSMT_ROOT

// MountStat is what the kernel tells about one mount.
type MountStat struct {
	ID, Parent  MountID
	Attrs       MountAttr
	Propagation Propagation
	// PeerGroup and Master are the groups of shared and slave mounts, 0 for
	// none.
	PeerGroup, Master uint64
	// Device is the filesystem's device number as stat(2) has it.
	Device uint64
	// FSType is the filesystem's type.
	FSType string
	// Root is what of the filesystem is mounted, Point where, both seen from
	// the calling thread's root.
	Root, Point string
}

// The structures of include/uapi/linux/mount.h as of Linux 6.8; what later
// kernels added lies behind, or in the spare room, and is not asked for.
type (
	mountIDRequest struct {
		size  uint32
		spare uint32
		id    uint64
		param uint64
	}
	statmountHeader struct {
		size, mntOpts          uint32
		mask                   uint64
		devMajor, devMinor     uint32
		sbMagic                uint64
		sbFlags, fsType        uint32
		id, parent             uint64
		idOld, parentOld       uint32
		attr, propagation      uint64
		peerGroup, master      uint64
		propagateFrom          uint64
		root, point            uint32
		nsID                   uint64
		fsSubtype, sbSource    uint32
		optNum, optArray       uint32
		optSecNum, optSecArray uint32
		supported              uint64
		uidmapNum, uidmap      uint32
		gidmapNum, gidmap      uint32
		spare                  [43]uint64
	}
)

const (
	statSBBasic  = 0x01
	statMntBasic = 0x02
	statMntRoot  = 0x08
	statMntPoint = 0x10
	statFSType   = 0x20
	statWanted   = statSBBasic | statMntBasic | statMntRoot | statMntPoint | statFSType

	// statBuffer takes the header and two paths of full length.
	statBuffer = 512 + 2*unix.PathMax + 512
	// listChunk is how many numbers one listmount call asks for.
	listChunk = 256
)

// Stat asks about one mount of the caller's mount namespace (statmount, Linux
// 6.8). ENOENT says that it is gone, or in another namespace.
func Stat(id MountID) (MountStat, error) {
	req := mountIDRequest{id: uint64(id), param: statWanted}
	req.size = uint32(unsafe.Sizeof(req))
	buf := make([]uint64, statBuffer/8)
	err := call("statmount", func() error {
		_, _, errno := unix.Syscall6(unix.SYS_STATMOUNT, uintptr(unsafe.Pointer(&req)),
			uintptr(unsafe.Pointer(&buf[0])), statBuffer, 0, 0, 0)
		return errnoOrNil(errno)
	})
	if err != nil {
		return MountStat{}, &Error{Op: "statmount", Err: err}
	}
	return decodeStat(buf), nil
}

// decodeStat reads what statmount wrote: a header, and strings behind it that
// the header points to.
func decodeStat(buf []uint64) MountStat {
	h := (*statmountHeader)(unsafe.Pointer(&buf[0]))
	all := unsafe.Slice((*byte)(unsafe.Pointer(&buf[0])), len(buf)*8)
	text := func(bit uint64, offset uint32) string {
		start := uint64(unsafe.Sizeof(*h)) + uint64(offset)
		if h.mask&bit == 0 || start >= uint64(len(all)) {
			return ""
		}
		s, _, _ := bytes.Cut(all[start:], []byte{0})
		return string(s)
	}
	return MountStat{
		ID: MountID(h.id), Parent: MountID(h.parent),
		Attrs: MountAttr(h.attr), Propagation: Propagation(h.propagation),
		PeerGroup: h.peerGroup, Master: h.master,
		Device: unix.Mkdev(h.devMajor, h.devMinor),
		FSType: text(statFSType, h.fsType),
		Root:   text(statMntRoot, h.root),
		Point:  text(statMntPoint, h.point),
	}
}

// List gives the mounts below parent, at any depth, in order of their numbers
// (listmount, Linux 6.8). [RootMount] lists the caller's whole namespace.
func List(parent MountID) ([]MountID, error) {
	var all []MountID
	req := mountIDRequest{id: uint64(parent)}
	req.size = uint32(unsafe.Sizeof(req))
	chunk := make([]MountID, listChunk)
	for {
		n, err := listMounts(&req, chunk)
		if err != nil {
			return nil, &Error{Op: "listmount", Err: err}
		}
		all = append(all, chunk[:n]...)
		if n < len(chunk) {
			return all, nil
		}
		req.param = uint64(chunk[n-1])
	}
}

func listMounts(req *mountIDRequest, into []MountID) (n int, err error) {
	err = call("listmount", func() error {
		r, _, errno := unix.Syscall6(unix.SYS_LISTMOUNT, uintptr(unsafe.Pointer(req)),
			uintptr(unsafe.Pointer(&into[0])), uintptr(len(into)), 0, 0, 0)
		n = int(r)
		return errnoOrNil(errno)
	})
	return n, err
}

// ID returns the mount's unique number (statx with STATX_MNT_ID_UNIQUE, Linux
// 6.8; ENOTSUP before).
func (m *Mount) ID() (MountID, error) {
	var st unix.Statx_t
	err := m.use(func(fd int) error {
		return unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID_UNIQUE, &st)
	})
	if err == nil && st.Mask&unix.STATX_MNT_ID_UNIQUE == 0 {
		err = unix.ENOTSUP
	}
	if err != nil {
		return 0, &Error{Op: "statx", Source: m.name, Err: err}
	}
	return MountID(st.Mnt_id), nil
}

func errnoOrNil(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
