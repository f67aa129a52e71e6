package userns

/*
#include "holder.h"
*/
import "C"

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// holder is a child that does nothing but hold a user namespace. It is a clone
// that shares this process's memory (see holder.c), not a program.
type holder struct {
	c *C.struct_holder
}

func startHolder() (*holder, error) {
	h := &holder{c: &C.struct_holder{}}
	if errno := C.tango_holder_start(h.c); errno != 0 {
		return nil, syscall.Errno(errno)
	}
	return h, nil
}

// namespace gives the held namespace its maps and opens it.
func (h *holder) namespace(uidMap, gidMap []byte) (*os.File, error) {
	return mapAndOpen(int(h.c.pid), uidMap, gidMap)
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
