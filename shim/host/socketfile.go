package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// socketFile is the file of a socket, which another may have taken the place of since:
// at the same path, and on some filesystems with the same inode number, but born later.
type socketFile struct {
	path         string
	major, minor uint32
	ino          uint64
	born         unix.StatxTimestamp // zero on filesystems that don't say
}

// socketAt returns the file at a path, or nil if none is there.
func socketAt(path string) *socketFile {
	var st unix.Statx_t
	if path == "" || unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &st) != nil {
		return nil
	}
	return &socketFile{path: path, major: st.Dev_major, minor: st.Dev_minor, ino: st.Ino, born: st.Btime}
}

// remove takes the file away, unless its shim has done so, or somebody else has the path.
func (f *socketFile) remove() {
	if f == nil {
		return
	}
	if now := socketAt(f.path); now != nil && *now == *f {
		_ = os.Remove(f.path)
	}
}
