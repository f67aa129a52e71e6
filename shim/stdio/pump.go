package stdio

import (
	"errors"
	"io"
	"os"
	"sync/atomic"

	"github.com/containerd/log"
)

// pump copies one stream in a goroutine of its own.
type pump struct {
	name string // stdin, stdout or stderr
	copy func() error
	// drain is read on, into nowhere, when the destination has failed, so that
	// the process does not hang on a full pipe. Nil: the copy just ends.
	drain chunkReader
	// ends are closed when the copy is over, and by stop. The destination
	// comes first: a copy that waits for it holds on to the source, and
	// closing that one would wait for the copy.
	ends     []io.Closer
	stopping atomic.Bool
	done     chan struct{} // closed when nothing more is copied and all ends are closed
}

// closer makes an io.Closer of a function.
type closer func() error

func (c closer) Close() error { return c() }

// newPump makes a pump between files, which it takes over. Pipes are spliced,
// all else is copied.
func newPump(name string, dst io.WriteCloser, src *os.File) (*pump, error) {
	r, err := newFileReader(src)
	if err != nil {
		return nil, err
	}
	p := &pump{name: name, ends: []io.Closer{dst, src}, done: make(chan struct{})}
	if to := pipeOf(dst); to != nil && isPipe(src) {
		p.copy = func() error { return spliceAll(to, src) }
	} else {
		p.copy = func() error { return copyChunks(dst, r) }
	}
	if name != stdin {
		p.drain = r
	}
	return p, nil
}

// newScreen makes the pump of a terminal's output. It ends when t is finished.
func newScreen(dst io.WriteCloser, t *terminal) *pump {
	return &pump{
		name:  stdout,
		copy:  func() error { return copyChunks(dst, t) },
		drain: t,
		ends:  []io.Closer{dst, closer(t.finish)},
		done:  make(chan struct{}),
	}
}

// newKeyboard makes the pump of a terminal's input. At its end the terminal is
// hung up, as the stock shim does, but not before screen has got what was
// written until then.
func newKeyboard(t *terminal, src *os.File, screen *pump) (*pump, error) {
	r, err := newFileReader(src)
	if err != nil {
		return nil, err
	}
	return &pump{
		name: stdin,
		copy: func() error { return copyChunks(t, r) },
		ends: []io.Closer{closer(func() error { return hangUp(t, screen) }), src},
		done: make(chan struct{}),
	}, nil
}

// hangUp closes t once screen has got what is there.
func hangUp(t *terminal, screen *pump) error {
	err := t.finish()
	<-screen.done
	return errors.Join(err, t.Close())
}

// pipeOf returns the pipe or fifo that w writes to, nil if it is none.
func pipeOf(w io.Writer) *os.File {
	switch w := w.(type) {
	case *fifoWriter:
		return w.File
	case *os.File:
		if isPipe(w) {
			return w
		}
	}
	return nil
}

// run copies until the source ends or stop is called.
func (p *pump) run(logger *log.Entry) {
	defer close(p.done)
	defer p.stop()
	err := p.copy()
	var failed writeError
	if p.drain == nil || p.stopping.Load() || !errors.As(err, &failed) {
		return
	}
	logger.WithError(err).Warnf("error copying %s, the rest of it is lost", p.name)
	_ = copyChunks(io.Discard, p.drain)
}

// stop closes both ends, which ends run. It may be called any number of times.
func (p *pump) stop() {
	p.stopping.Store(true)
	for _, end := range p.ends {
		end.Close()
	}
}
