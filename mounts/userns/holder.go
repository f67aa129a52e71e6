package userns

/*
#include "holder.h"
*/
import "C"

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// mountsBy says how a holder gets a mount namespace along with the user namespace.
type mountsBy C.enum_holder_mounts

const (
	noMounts mountsBy = C.HOLDER_NO_MOUNTS
	byClone  mountsBy = C.HOLDER_COPY
	byTree   mountsBy = C.HOLDER_TREE // Linux 7.0
)

// holder is a child that does nothing but hold a user namespace, and perhaps a
// mount namespace. It is a clone that shares this process's memory (see
// holder.c), not a program.
type holder struct {
	c      *C.struct_holder
	mounts mountsBy
}

func startHolder(mounts mountsBy) (*holder, error) {
	h := &holder{mounts: mounts}
	if errno := C.tango_holder_start(&h.c, C.enum_holder_mounts(mounts)); errno != 0 {
		return nil, syscall.Errno(errno)
	}
	return h, nil
}

// proc is the holder's directory in /proc.
func (h *holder) proc() string { return "/proc/" + strconv.Itoa(int(h.c.pid)) }

// open opens one of the held namespaces by its name in /proc/PID/ns.
func (h *holder) open(name string) (*os.File, error) {
	f, err := os.Open(h.proc() + "/ns/" + name)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s namespace: %w", name, err)
	}
	return f, nil
}

// openMounts opens the mount namespace.
func (h *holder) openMounts() (*os.File, error) {
	if h.mounts != byTree {
		return h.open("mnt")
	}
	fd := C.tango_holder_take_tree(h.c)
	if fd < 0 {
		return nil, fmt.Errorf("cannot make a mount namespace by open_tree: %w", syscall.Errno(-fd))
	}
	return os.NewFile(uintptr(fd), "opentree:/"), nil
}

// end kills the holder and waits for it; only then may its stack go. One that is
// killed in open_tree would leave a descriptor that nobody knows of.
func (h *holder) end() error {
	pidfd := int(h.c.pidfd)
	defer unix.Close(pidfd)
	if fd := C.tango_holder_take_tree(h.c); fd >= 0 {
		defer unix.Close(int(fd))
	}
	if err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0); err != nil {
		return fmt.Errorf("cannot end the holder of a user namespace: %w", err)
	}
	for {
		err := unix.Waitid(unix.P_PIDFD, pidfd, nil, unix.WEXITED|unix.WALL, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot wait for the holder of a user namespace: %w", err)
		}
		C.tango_holder_free(h.c)
		return nil
	}
}
