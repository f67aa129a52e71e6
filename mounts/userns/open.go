package userns

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
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
	h, err := startHolder()
	if err != nil {
		return nil, fmt.Errorf("cannot make a user namespace: %w", err)
	}
	ns, err := h.namespace(uidMap, gidMap)
	if endErr := h.end(); endErr != nil {
		err = errors.Join(err, endErr)
	}
	if err != nil && ns != nil {
		ns.Close()
		ns = nil
	}
	return ns, err
}

// mapAndOpen gives the namespace of a process its maps and opens it.
func mapAndOpen(pid int, uidMap, gidMap []byte) (*os.File, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	if err := writeMap(dir+"/uid_map", uidMap); err != nil {
		return nil, err
	}
	if err := writeMap(dir+"/gid_map", gidMap); err != nil {
		return nil, err
	}
	f, err := os.Open(dir + "/ns/user")
	if err != nil {
		return nil, fmt.Errorf("cannot open user namespace: %w", err)
	}
	return f, nil
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
