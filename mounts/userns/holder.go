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

// holder is a child that does nothing but hold a user namespace, and with
// ownMounts a mount namespace. It is a clone that shares this process's memory
// (see holder.c), not a program.
type holder struct {
	c *C.struct_holder
}

func startHolder(ownMounts bool) (*holder, error) {
	h := &holder{c: &C.struct_holder{}}
	var own C.int
	if ownMounts {
		own = 1
	}
	if errno := C.tango_holder_start(h.c, own); errno != 0 {
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

// end kills the holder and waits for it; only then may its stack go.
func (h *holder) end() error {
	pidfd := int(h.c.pidfd)
	defer unix.Close(pidfd)
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
