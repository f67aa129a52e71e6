package kernel

import (
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// descriptor is a file descriptor with one owner.
type descriptor struct {
	file atomic.Pointer[os.File]
}

// set makes d the owner of fd; name shows up in errors of the os package.
func (d *descriptor) set(fd int, name string) {
	d.file.Store(os.NewFile(uintptr(fd), name))
}

// use calls f with the descriptor, which stays open until f returns.
func (d *descriptor) use(f func(fd int) error) error {
	file := d.file.Load()
	if file == nil {
		return unix.EBADF
	}
	defer runtime.KeepAlive(file)
	return f(int(file.Fd()))
}

// number returns the descriptor, or -1 when it is closed.
func (d *descriptor) number() int {
	file := d.file.Load()
	if file == nil {
		return -1
	}
	return int(file.Fd())
}

func (d *descriptor) disown() *os.File { return d.file.Swap(nil) }

func (d *descriptor) close() error {
	file := d.disown()
	if file == nil {
		return nil
	}
	return file.Close()
}

// at returns what *at system calls take for dir: the working directory for nil.
// The caller keeps dir alive over the call.
func at(dir *os.File) int {
	if dir == nil {
		return unix.AT_FDCWD
	}
	return int(dir.Fd())
}

// describe names a place given as for *at system calls.
func describe(dir *os.File, path string) string {
	switch {
	case dir == nil:
		return path
	case path == "":
		return dir.Name()
	default:
		return dir.Name() + "/" + path
	}
}
