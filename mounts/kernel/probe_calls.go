package kernel

import "golang.org/x/sys/unix"

// noSuchPath exists nowhere, with or without a mounted /proc: a call that gets
// as far as looking it up has accepted all its other arguments.
const noSuchPath = "/proc/no-such-path-for-probe"

// probeIDMappedMounts names a descriptor that is not open for the user
// namespace. It is looked at before any mount is, so nothing can change.
func probeIDMappedMounts() error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: 1<<31 - 1}
	err := unix.MountSetattr(unix.AT_FDCWD, noSuchPath, 0, &attr)
	return verdict(err,
		[]error{unix.EBADF, unix.ENOENT},  // the user namespace's descriptor; the path
		[]error{unix.ENOSYS, unix.EINVAL}) // no such call; no such attribute
}

// probeOpenTreeAttr opens nothing.
func probeOpenTreeAttr() error {
	_, err := openTreeAttr(unix.AT_FDCWD, noSuchPath, treeCloexec, &unix.MountAttr{})
	return verdict(err, []error{unix.ENOENT}, []error{unix.ENOSYS})
}

// probeStatMount gives no request.
func probeStatMount() error {
	_, _, errno := unix.Syscall6(unix.SYS_STATMOUNT, 0, 0, 0, 0, 0, 0)
	return verdict(errnoOrNil(errno), []error{unix.EFAULT, unix.EINVAL}, []error{unix.ENOSYS})
}

// probeOpenTreeNamespace opens nothing. Flags are looked at before the path.
func probeOpenTreeNamespace() error {
	_, err := unix.OpenTree(unix.AT_FDCWD, noSuchPath, uint(treeNamespace|treeCloexec))
	return verdict(err,
		[]error{unix.ENOENT},
		[]error{unix.ENOSYS, unix.EINVAL}) // no such call; no such flag
}

// probeFSMountNamespace names a descriptor that is not open. Flags are looked at
// before it.
func probeFSMountNamespace() error {
	_, err := unix.Fsmount(-1, fsmountCloexec|fsmountNamespace, 0)
	return verdict(err,
		[]error{unix.EBADF},
		[]error{unix.ENOSYS, unix.EINVAL}) // no such call; no such flag
}
