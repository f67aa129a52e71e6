package stdio

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	bufferSize = 32 << 10
	// spliceMax is more than a pipe holds by default; one call takes what is there.
	spliceMax = 1 << 20
)

var buffers = sync.Pool{New: func() any {
	b := make([]byte, bufferSize)
	return &b
}}

// chunk is a piece of a stream in a pooled buffer.
type chunk struct {
	buffer *[]byte
	n      int
}

func (c chunk) bytes() []byte { return (*c.buffer)[:c.n] }

func (c chunk) free() { buffers.Put(c.buffer) }

// chunkReader is a source that waits without holding a buffer.
type chunkReader interface {
	// next returns the next bytes, which the caller frees, or io.EOF.
	next() (chunk, error)
}

// readFD reads into a pooled buffer. The buffer is given back if nothing came.
func readFD(fd uintptr) (chunk, error) {
	c := chunk{buffer: buffers.Get().(*[]byte)}
	n, err := retry(func() (int, error) { return unix.Read(int(fd), *c.buffer) })
	if n <= 0 || err != nil {
		c.free()
		if err == nil {
			err = io.EOF
		}
		return chunk{}, err
	}
	c.n = n
	return c, nil
}

// retry repeats a call that a signal interrupted.
func retry[N int | int64](call func() (N, error)) (N, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// fileReader reads a pipe, a fifo or a file.
type fileReader struct {
	raw syscall.RawConn
}

func newFileReader(f *os.File) (fileReader, error) {
	raw, err := f.SyscallConn()
	return fileReader{raw}, err
}

func (r fileReader) next() (c chunk, err error) {
	waitErr := r.raw.Read(func(fd uintptr) bool {
		c, err = readFD(fd)
		return err != unix.EAGAIN
	})
	if waitErr != nil {
		return chunk{}, waitErr
	}
	return c, err
}

// writeError is an error of a copy's destination.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// copyChunks copies until src ends (nil) or an error, a writeError if it is
// dst's.
func copyChunks(dst io.Writer, src chunkReader) error {
	for {
		c, err := src.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = dst.Write(c.bytes())
		c.free()
		if err != nil {
			return writeError{err}
		}
	}
}

// spliceAll moves everything from one pipe or fifo to another without copying
// it, until src ends (nil) or an error, a writeError if it is dst's. Both must
// be polled, and nobody else may read from src in this process.
func spliceAll(dst, src *os.File) error {
	from, err := src.SyscallConn()
	if err != nil {
		return err
	}
	to, err := dst.SyscallConn()
	if err != nil {
		return err
	}
	for {
		if err := spliceSome(to, from); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// spliceSome waits for src to have bytes, then for dst to have room, and moves
// what is there and fits.
func spliceSome(dst, src syscall.RawConn) error {
	var err error
	waitErr := src.Read(func(in uintptr) bool {
		if !readable(in) {
			return false
		}
		err = spliceInto(dst, in)
		return true
	})
	if waitErr != nil {
		return waitErr
	}
	return err
}

func spliceInto(dst syscall.RawConn, in uintptr) error {
	var n int64
	var err error
	waitErr := dst.Write(func(out uintptr) bool {
		n, err = retry(func() (int64, error) {
			return unix.Splice(int(in), nil, int(out), nil, spliceMax, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		})
		// EAGAIN is dst being full, unless somebody else emptied src: a
		// container can open its own stdout for reading through /proc.
		return err != unix.EAGAIN || !readable(in)
	})
	switch {
	case waitErr != nil:
		return writeError{waitErr}
	case err == unix.EAGAIN:
		return nil
	case err != nil:
		return writeError{os.NewSyscallError("splice", err)}
	case n == 0:
		return io.EOF
	}
	return nil
}

// readable reports whether a read would not wait: bytes or end of file.
func readable(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := retry(func() (int, error) { return unix.Poll(fds, 0) })
	return err != nil || n > 0
}

// isPipe reports whether f is a pipe or a fifo.
func isPipe(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}
