package stdio

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ends says which end of a pipe is the shim's own.
type ends int

const (
	foreign ends = iota // neither: both go to other processes
	ourRead
	ourWrite
)

// newPipe makes a pipe, close-on-exec. The shim's own end is non-blocking, so
// that Go's poller waits for it and Close wakes whoever reads or writes; other
// processes get theirs blocking. (The mode belongs to the open file
// description, and each end has its own.)
func newPipe(stream string, our ends) (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("failed to create %s pipes: %w", stream, os.NewSyscallError("pipe2", err))
	}
	if our != foreign {
		if err := unix.SetNonblock(fds[our-ourRead], true); err != nil {
			return nil, nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fds[0]), unix.Close(fds[1]))
		}
	}
	return os.NewFile(uintptr(fds[0]), stream+" read end"), os.NewFile(uintptr(fds[1]), stream+" write end"), nil
}

// socketPair makes the two ends of a console socket: ours polled, theirs
// blocking.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), "console socket"), os.NewFile(uintptr(fds[1]), "console socket of the process"), nil
}

// closeAll closes files that may be nil or closed already.
func closeAll(files ...*os.File) error {
	var errs []error
	for _, f := range files {
		if f == nil {
			continue
		}
		if err := f.Close(); !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
