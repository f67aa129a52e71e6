package kernel

import "golang.org/x/sys/unix"

// Unmount takes away the mount on top of path (umount2). It waits for an RCU
// grace period unless more than this thread's namespace still uses the mount.
func Unmount(path string, flags UnmountFlags) error {
	err := call("umount2", func() error { return unix.Unmount(path, int(flags)) })
	if err != nil {
		return &Error{Op: "umount2", Target: path, Flags: flags.String(), Err: err}
	}
	return nil
}

// PivotRoot makes newRoot the root of the calling thread's mount namespace and
// puts the old root at putOld. "." for both stacks the old root on the new one.
func PivotRoot(newRoot, putOld string) error {
	err := call("pivot_root", func() error { return unix.PivotRoot(newRoot, putOld) })
	if err != nil {
		return &Error{Op: "pivot_root", Source: newRoot, Target: putOld, Err: err}
	}
	return nil
}

// SetPropagation changes the way of propagation of the mount at path, recursive
// also of the mounts below. It is mount(2), so it works before Linux 5.12.
func SetPropagation(path string, p Propagation, recursive bool) error {
	flags := uintptr(p)
	if recursive {
		flags |= unix.MS_REC
	}
	err := call("mount", func() error { return unix.Mount("", path, "", flags, "") })
	if err == nil {
		return nil
	}
	text := p.String()
	if recursive {
		text += ",recursive"
	}
	return &Error{Op: "mount", Target: path, Flags: text, Err: err}
}
