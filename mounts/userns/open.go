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
	files, err := open(uids, gids, false, "user")
	if err != nil {
		return nil, err
	}
	return files[0], nil
}

// OpenWithMounts is [Open], and by the same call makes a mount namespace that
// belongs to the user namespace: a copy of the calling thread's, in which nobody
// inside may take off a mount or its properties one by one, or see what a mount
// covers. Mounts that the caller adds to it later have no such locks. Lock the
// goroutine to its thread first if threads differ.
//
// ENOSPC may also be the limit of mount namespaces
// (/proc/sys/user/max_mnt_namespaces).
func OpenWithMounts(uids, gids []IDMap) (user, mounts *os.File, err error) {
	files, err := open(uids, gids, true, "user", "mnt")
	if err != nil {
		return nil, nil, err
	}
	return files[0], files[1], nil
}

// open makes the namespaces and opens those that are named.
func open(uids, gids []IDMap, ownMounts bool, names ...string) ([]*os.File, error) {
	uidMap, err := format(uids)
	if err != nil {
		return nil, fmt.Errorf("cannot map users: %w", err)
	}
	gidMap, err := format(gids)
	if err != nil {
		return nil, fmt.Errorf("cannot map groups: %w", err)
	}
	// The holder dies with the thread that made it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	h, err := startHolder(ownMounts)
	if err != nil {
		return nil, fmt.Errorf("cannot make a user namespace: %w", err)
	}
	files, err := h.mapAndOpen(uidMap, gidMap, names)
	if endErr := h.end(); endErr != nil {
		err = errors.Join(err, endErr)
	}
	if err != nil {
		closeAll(files)
		return nil, err
	}
	return files, nil
}

// mapAndOpen gives the held user namespace its maps and opens the namespaces
// that are named. What it returns with an error is to be closed, too.
func (h *holder) mapAndOpen(uidMap, gidMap []byte, names []string) (files []*os.File, err error) {
	if err := writeMap(h.proc()+"/uid_map", uidMap); err != nil {
		return nil, err
	}
	if err := writeMap(h.proc()+"/gid_map", gidMap); err != nil {
		return nil, err
	}
	for _, name := range names {
		f, err := h.open(name)
		if err != nil {
			return files, err
		}
		files = append(files, f)
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
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
