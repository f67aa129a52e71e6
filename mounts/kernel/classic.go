package kernel

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// MountOn makes a filesystem and attaches it on dir, in one call: mount(2), in
// the calling thread's mount namespace. The newer calls take three for that.
// flags are MS_*; data is at most a page. dir stays the caller's, and goes on
// showing what is now covered.
func MountOn(dir *os.File, fstype, source string, flags uintptr, data string) error {
	target := fmt.Sprintf("/proc/thread-self/fd/%d", dir.Fd())
	err := call("mount", func() error { return unix.Mount(source, target, fstype, flags, data) })
	if err != nil {
		return &Error{Op: "mount", FS: fstype, Source: source, Target: dir.Name(), Flags: data, Err: err}
	}
	return nil
}
