package userns

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// Open makes a user namespace with these maps and returns a descriptor of it,
// which the caller owns and which keeps the namespace alive. The calling process
// needs CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID in its own user namespace, and
// a /proc that shows its own children. Setgroups stays allowed inside, as runc
// has it. Any number of goroutines may call it.
//
// ENOSPC says that a limit of user namespaces is reached
// (/proc/sys/user/max_user_namespaces), EPERM that the process may not make one
// or may not map these IDs.
func Open(uids, gids []IDMap) (*os.File, error) {
	user, _, err := open(uids, gids, noMounts)
	return user, err
}

// OpenWithMounts is [Open], and by the same call makes a mount namespace that
// belongs to the user namespace: a copy of the calling thread's, in which nobody
// inside may take off a mount or its properties one by one, or see what a mount
// covers. Mounts that the caller adds to it later have no such locks. Lock the
// goroutine to its thread first if threads differ. The caller owns both
// descriptors.
//
// ENOSPC may also be the limit of mount namespaces
// (/proc/sys/user/max_mnt_namespaces).
func OpenWithMounts(uids, gids []IDMap) (user, mounts *os.File, err error) {
	return open(uids, gids, byClone)
}

// OpenWithTree is [OpenWithMounts] by the call of newer kernels: what is copied is
// the tree that the thread's root shows, by open_tree(OPEN_TREE_NAMESPACE) from
// inside the user namespace (Linux 7.0; before, the error is EINVAL). The locks are
// the same.
func OpenWithTree(uids, gids []IDMap) (user, mounts *os.File, err error) {
	return open(uids, gids, byTree)
}

// open makes the namespaces. mounts is nil where none is asked for.
func open(uids, gids []IDMap, by mountsBy) (user, mounts *os.File, err error) {
	uidMap, err := format(uids)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot map users: %w", err)
	}
	gidMap, err := format(gids)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot map groups: %w", err)
	}
	// The holder dies with the thread that made it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	h, err := startHolder(by)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a user namespace: %w", err)
	}
	user, mounts, err = h.mapAndOpen(uidMap, gidMap)
	if endErr := h.end(); endErr != nil {
		err = errors.Join(err, endErr)
	}
	if err != nil {
		user.Close() // a nil file's is an error and nothing else
		mounts.Close()
		return nil, nil, err
	}
	return user, mounts, nil
}

// mapAndOpen gives the held user namespace its maps and opens the namespaces. What
// it returns with an error is to be closed, too.
func (h *holder) mapAndOpen(uidMap, gidMap []byte) (user, mounts *os.File, err error) {
	if err = writeMap(h.proc()+"/uid_map", uidMap); err != nil {
		return nil, nil, err
	}
	if err = writeMap(h.proc()+"/gid_map", gidMap); err != nil {
		return nil, nil, err
	}
	if user, err = h.open("user"); err != nil || h.mounts == noMounts {
		return user, nil, err
	}
	mounts, err = h.openMounts()
	return user, mounts, err
}

// writeMap writes all lines in one write, as the kernel wants them.
func writeMap(path string, lines []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("cannot open ID map: %w", err)
	}
	_, err = f.Write(lines)
	return errors.Join(err, f.Close())
}
