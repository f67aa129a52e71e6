package stdio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// openFD is open(2), close-on-exec, retried on EINTR.
func openFD(path string, flags int) (int, error) {
	for {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		if err == nil {
			return fd, nil
		}
		if err != unix.EINTR {
			return -1, &os.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// handle is an O_PATH reference to a file that is to be opened more than once:
// all opens reach the same one, whatever the path is made to mean in between.
type handle struct {
	fd   int
	path string
	fifo bool
}

func openHandle(path string) (*handle, error) {
	fd, err := openFD(path, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, errors.Join(&os.PathError{Op: "stat", Path: path, Err: err}, unix.Close(fd))
	}
	return &handle{fd: fd, path: path, fifo: st.Mode&unix.S_IFMT == unix.S_IFIFO}, nil
}

func (h *handle) close() { unix.Close(h.fd) }

// open opens what h refers to.
func (h *handle) open(flags int) (int, error) {
	fd, err := openFD(fmt.Sprintf("/proc/self/fd/%d", h.fd), flags)
	var perr *os.PathError
	if errors.As(err, &perr) {
		perr.Path = h.path
	}
	return fd, err
}

// file opens what h refers to. With O_NONBLOCK it is polled, without not.
func (h *handle) file(flags int) (*os.File, error) {
	fd, err := h.open(flags)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), h.path), nil
}

// fifoWriter writes to a fifo whose readers may come and go: it holds a reading
// end itself, so a write never fails for want of a reader. When nobody reads,
// the fifo fills and the writer waits.
type fifoWriter struct {
	*os.File
	keeper *os.File
}

// Close closes both ends.
func (w *fifoWriter) Close() error { return closeAll(w.File, w.keeper) }

// openWriter opens an output that was named by a path: a fifo, for which it
// waits until there is a reader or ctx is over, or a file that is there.
func openWriter(ctx context.Context, path string) (io.WriteCloser, error) {
	h, err := openHandle(path)
	if err != nil {
		return nil, fmt.Errorf("containerd-shim: opening file %q failed: %w", path, err)
	}
	defer h.close()
	if !h.fifo {
		f, err := h.file(unix.O_WRONLY | unix.O_APPEND)
		if err != nil {
			return nil, fmt.Errorf("containerd-shim: opening file %q failed: %w", path, err)
		}
		return f, nil
	}
	w, err := h.writer(ctx)
	if err != nil {
		return nil, fmt.Errorf("containerd-shim: opening w/o fifo %q failed: %w", path, err)
	}
	// Blocking, so that it is not polled: it would wake the poller at every
	// write. The open itself does not wait, there is a writer.
	keeper, err := h.file(unix.O_RDONLY)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("containerd-shim: opening r/o fifo %q failed: %w", path, err), w.Close())
	}
	return &fifoWriter{File: w, keeper: keeper}, nil
}

// writer opens a fifo for writing, once it has a reader. Without that wait, a
// short process's output would be gone with the last end of the fifo before a
// reader had come.
func (h *handle) writer(ctx context.Context) (*os.File, error) {
	fd, err := h.open(unix.O_WRONLY | unix.O_NONBLOCK)
	if errors.Is(err, unix.ENXIO) {
		fd, err = h.awaitReader(ctx)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), h.path), nil
}

// awaitReader waits in a blocking open(2). When ctx is over first, it becomes
// the reader itself, for as long as the open needs to come back.
func (h *handle) awaitReader(ctx context.Context) (int, error) {
	type result struct {
		fd  int
		err error
	}
	opened := make(chan result, 1)
	go func() {
		fd, err := h.open(unix.O_WRONLY)
		opened <- result{fd, err}
	}()
	select {
	case r := <-opened:
		if r.err == nil {
			r.err = os.NewSyscallError("fcntl", unix.SetNonblock(r.fd, true))
		}
		return r.fd, r.err
	case <-ctx.Done():
	}
	reader, err := h.open(unix.O_RDONLY | unix.O_NONBLOCK)
	if err != nil {
		return -1, errors.Join(ctx.Err(), err)
	}
	r := <-opened
	unix.Close(reader)
	if r.err == nil {
		unix.Close(r.fd)
	}
	return -1, ctx.Err()
}

// openReader opens stdin. For a fifo it also opens a writing end, keeper: the
// process sees end of file not when a client's end is gone (containerd may be
// restarting) but when the keeper is closed as well.
func openReader(path string) (r, keeper *os.File, err error) {
	h, err := openHandle(path)
	if err != nil {
		return nil, nil, err
	}
	defer h.close()
	r, err = h.file(unix.O_RDONLY | unix.O_NONBLOCK)
	if err != nil || !h.fifo {
		return r, nil, err
	}
	keeper, err = h.file(unix.O_WRONLY)
	if err != nil {
		return nil, nil, errors.Join(err, r.Close())
	}
	return r, keeper, nil
}
