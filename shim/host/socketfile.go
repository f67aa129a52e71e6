package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// socketFile is the file of a socket, which another may have taken the place of since.
type socketFile struct {
	path     string
	dev, ino uint64
}

// socketAt returns the file at a path, or nil if none is there.
func socketAt(path string) *socketFile {
	var st unix.Stat_t
	if path == "" || unix.Lstat(path, &st) != nil {
		return nil
	}
	return &socketFile{path: path, dev: st.Dev, ino: st.Ino}
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
