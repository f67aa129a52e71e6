package stdio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// past is a deadline that is over: it wakes whoever waits for a file.
var past = time.Unix(1, 0)

// terminal is the master side of a pty.
//
// A master reads EIO while nobody has the slave open. That is no end of file: a
// process may close its terminal and open it again (systemd does, with
// /dev/console). So EIO counts as "nothing there yet" until finish is called.
type terminal struct {
	file *os.File
	raw  syscall.RawConn
}

// newTerminal takes over fd, and makes it non-blocking for the poller.
func newTerminal(fd int) (*terminal, error) {
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
		return nil, errors.Join(fmt.Errorf("not a terminal: %w", err), unix.Close(fd))
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fd))
	}
	f := os.NewFile(uintptr(fd), "pty master")
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &terminal{file: f, raw: raw}, nil
}

// quiet reports whether err only says that there is nothing to do now.
func quiet(err error) bool { return err == unix.EAGAIN || err == unix.EIO }

// next implements [chunkReader]. After finish it returns what is still there,
// then io.EOF: a read of the master first has the kernel move everything that
// was written to the slave (n_tty_read, tty_buffer_flush_work), so EAGAIN from
// then on is the end.
func (t *terminal) next() (c chunk, err error) {
	waitErr := t.raw.Read(func(fd uintptr) bool {
		c, err = readFD(fd)
		return !quiet(err)
	})
	if errors.Is(waitErr, os.ErrDeadlineExceeded) {
		waitErr = t.raw.Control(func(fd uintptr) { c, err = readFD(fd) })
		if quiet(err) {
			err = io.EOF
		}
	}
	if waitErr != nil {
		return chunk{}, waitErr
	}
	return c, err
}

// Write types p. It fails with os.ErrDeadlineExceeded after finish.
func (t *terminal) Write(p []byte) (written int, err error) {
	for written < len(p) {
		waitErr := t.raw.Write(func(fd uintptr) bool {
			var n int
			n, err = retry(func() (int, error) { return unix.Write(int(fd), p[written:]) })
			written += max(n, 0)
			return !quiet(err)
		})
		if waitErr != nil {
			return written, waitErr
		}
		if err != nil {
			return written, os.NewSyscallError("write", err)
		}
	}
	return written, nil
}

// finish ends writes, and reads once nothing more is there.
func (t *terminal) finish() error { return t.file.SetDeadline(past) }

// Close hangs the terminal up.
func (t *terminal) Close() error { return closeAll(t.file) }

// resize sets the window's size in characters.
func (t *terminal) resize(width, height uint16) (err error) {
	controlErr := t.raw.Control(func(fd uintptr) {
		err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width})
	})
	return errors.Join(controlErr, os.NewSyscallError("ioctl", err))
}

// receiveTerminal waits for a pty's master to come over the console socket.
// The end of the socket (the process is gone) and the end of ctx are errors.
func receiveTerminal(ctx context.Context, socket *os.File) (*terminal, error) {
	stop := context.AfterFunc(ctx, func() { socket.SetReadDeadline(past) })
	defer stop()
	fd, err := receiveFD(socket)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return newTerminal(fd)
}

// receiveFD takes one message with exactly one file descriptor in it. What
// else a peer attaches is closed again.
func receiveFD(socket *os.File) (int, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return -1, err
	}
	var n, oobn int
	name, oob := make([]byte, unix.PathMax), make([]byte, unix.CmsgSpace(4))
	waitErr := raw.Read(func(s uintptr) bool {
		n, err = retry(func() (n int, err error) {
			n, oobn, _, _, err = unix.Recvmsg(int(s), name, oob, unix.MSG_CMSG_CLOEXEC)
			return n, err
		})
		return err != unix.EAGAIN
	})
	if err := errors.Join(waitErr, os.NewSyscallError("recvmsg", err)); err != nil {
		return -1, err
	}
	if n == 0 {
		return -1, io.ErrUnexpectedEOF
	}
	return soleFD(oob[:oobn])
}

// soleFD takes the one descriptor out of a message's control part.
func soleFD(oob []byte) (int, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return -1, err
	}
	var fds []int
	for _, m := range messages {
		if got, err := unix.ParseUnixRights(&m); err == nil {
			fds = append(fds, got...)
		}
	}
	if len(fds) != 1 {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return -1, fmt.Errorf("want one file descriptor, got %d", len(fds))
	}
	return fds[0], nil
}
