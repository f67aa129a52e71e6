package stdio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/containerd/log"
)

// The names of the streams, as they stand in errors and logs.
const (
	stdin  = "stdin"
	stdout = "stdout"
	stderr = "stderr"
)

const (
	// startLimit bounds how long [IO.Started] waits for readers of fifos and
	// for a terminal, and how long [Open] waits for a logging binary.
	startLimit = 30 * time.Second
	// closeLimit bounds how long [IO.Close] waits for copies to end. Only a
	// write into a file whose disk hangs takes any time.
	closeLimit = 5 * time.Second
)

// IO is one process's streams. Its methods may be called from any goroutine.
type IO struct {
	config  Config
	targets targets
	life    context.Context // over when Close begins
	end     context.CancelFunc

	start   sync.Mutex // held by Started and Close, which take their time
	started bool
	closing sync.Once
	err     error // of Close

	// What Open made. Pumps take over what they copy between.
	child    Child
	socket   *os.File       // our end of the console socket
	input    *os.File       // write end of the process's stdin
	outputs  []*output      // stdout and stderr, without a terminal
	terminal io.WriteCloser // where a terminal's output goes, if that is open already
	logger   *logger

	mu           sync.Mutex // never held across anything that waits
	pumps        []*pump    // outputs first
	console      *terminal
	keeper       *os.File // our write end of the stdin fifo
	exited       bool
	stdinIsEnded bool
}

// output is one stream that the process writes into a pipe.
type output struct {
	name   string
	target target
	src    *os.File       // read end of the process's pipe
	dst    io.WriteCloser // nil until Started if it is named by a path
}

// Open makes the process's side of what c names, creates log files and starts a
// logging binary, and waits until that is ready (30 s and ctx permitting).
// The logger that ctx carries stays in use until Close, ctx itself does not.
func Open(ctx context.Context, c Config) (*IO, error) {
	t, err := parseTargets(c.Spec)
	if err != nil {
		return nil, err
	}
	s := &IO{config: c, targets: t}
	s.life, s.end = context.WithCancel(log.WithLogger(context.Background(), log.G(ctx).WithField("id", c.id())))
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if c.Spec.Terminal {
		err = s.openTerminal(ctx)
	} else {
		err = s.openPipes(ctx)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// openTerminal makes the console socket and what has to be there before the
// terminal comes.
func (s *IO) openTerminal(ctx context.Context) (err error) {
	if s.socket, s.child.ConsoleSocket, err = socketPair(); err != nil {
		return err
	}
	t := s.targets.stdout
	switch {
	case t.isBinary():
		return s.openTerminalLogger(ctx, t)
	case t.scheme == schemeFile:
		s.terminal, err = s.openLogFile(t)
	case t.scheme == schemeNone:
		s.terminal = nowhere{io.Discard}
	}
	return err
}

// openTerminalLogger starts a logging binary whose stdout the terminal's output
// goes to, and whose stderr has ended.
func (s *IO) openTerminalLogger(ctx context.Context, t target) error {
	r, w, err := newPipe(stdout, ourWrite)
	if err != nil {
		return err
	}
	defer r.Close()
	s.terminal = w
	noErr, ended, err := newPipe(stderr, foreign)
	if err != nil {
		return err
	}
	defer noErr.Close()
	ended.Close()
	s.logger, err = startLogger(ctx, s.config, t, r, noErr)
	return err
}

// openPipes makes the pipes of a process without a terminal.
func (s *IO) openPipes(ctx context.Context) (err error) {
	if s.config.Spec.Stdin != "" {
		if s.child.Stdin, s.input, err = newPipe(stdin, ourWrite); err != nil {
			return err
		}
	}
	if s.targets.stdout.isBinary() {
		err = s.openLogger(ctx)
	} else {
		err = s.openOutputs()
	}
	if err != nil {
		return err
	}
	return s.chown()
}

// openLogger starts a logging binary at the other end of the process's own
// pipes: nothing is copied.
func (s *IO) openLogger(ctx context.Context) error {
	outR, outW, err := newPipe(stdout, foreign)
	if err != nil {
		return err
	}
	defer outR.Close()
	s.child.Stdout = outW
	errR, errW, err := newPipe(stderr, foreign)
	if err != nil {
		return err
	}
	defer errR.Close()
	s.child.Stderr = errW
	s.logger, err = startLogger(ctx, s.config, s.targets.stdout, outR, errR)
	return err
}

// openOutputs makes a pipe for each output stream that goes anywhere.
func (s *IO) openOutputs() (err error) {
	if s.child.Stdout, err = s.openOutput(stdout, s.targets.stdout); err != nil {
		return err
	}
	s.child.Stderr, err = s.openOutput(stderr, s.targets.stderr)
	return err
}

// openOutput returns the process's end of a stream.
func (s *IO) openOutput(name string, t target) (*os.File, error) {
	if t.scheme == schemeNone {
		return nil, nil
	}
	r, w, err := newPipe(name, ourRead)
	if err != nil {
		return nil, err
	}
	o := &output{name: name, target: t, src: r}
	s.outputs = append(s.outputs, o)
	if t.scheme == schemeFile {
		o.dst, err = s.openLogFile(t)
	}
	return w, err
}

// openLogFile keeps a nil *logFile from becoming a non-nil io.WriteCloser.
func (s *IO) openLogFile(t target) (io.WriteCloser, error) {
	f, err := openLogFile(s.life, t.path)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// chown gives the process's ends to the user that the options ask for.
func (s *IO) chown() error {
	if s.config.UID == 0 && s.config.GID == 0 {
		return nil
	}
	for name, f := range map[string]*os.File{stdin: s.child.Stdin, stdout: s.child.Stdout, stderr: s.child.Stderr} {
		if f == nil {
			continue
		}
		if err := f.Chown(s.config.UID, s.config.GID); err != nil {
			return fmt.Errorf("failed to chown %s: %w", name, err)
		}
	}
	return nil
}

// nowhere is the destination of a terminal without output.
type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

// Spec returns what [Open] was called with.
func (s *IO) Spec() Spec { return s.config.Spec }

// Child returns the ends for the process; see there for who owns them.
func (s *IO) Child() Child { return s.child }

// Pids returns the processes that the IO has started and waits for itself: a
// logging binary that runs. Whoever reaps orphans has to leave them alone.
func (s *IO) Pids() []int {
	if s.logger == nil {
		return nil
	}
	return s.logger.pids()
}

// CloseStdin ends the process's stdin once all other writers of the fifo have
// gone and everything in it was read. It may be called any number of times,
// also before [IO.Started].
func (s *IO) CloseStdin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stdinIsEnded = true
	return closeAll(s.keeper)
}

// Resize sets the size of the terminal's window in characters. Without a
// terminal, and before it is there, it does nothing.
func (s *IO) Resize(width, height uint16) error {
	s.mu.Lock()
	console := s.console
	s.mu.Unlock()
	if console == nil {
		return nil
	}
	return console.resize(width, height)
}

// Exited says that the process is gone. A terminal's output then ends with what
// the process wrote; other streams end by themselves.
func (s *IO) Exited() {
	s.mu.Lock()
	s.exited = true
	console := s.console
	s.mu.Unlock()
	if console != nil {
		_ = console.finish()
	}
}

// Wait waits until all output was handed on, or for the end of ctx, which is
// the error then.
func (s *IO) Wait(ctx context.Context) error {
	for _, p := range s.running() {
		if p.name == stdin {
			continue
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// running returns the pumps that were started, outputs first.
func (s *IO) running() []*pump {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*pump(nil), s.pumps...)
}

// Close ends everything: a [IO.Started] that still waits, copies (what was not
// yet handed on is lost; [IO.Wait] before), the terminal, and a logging binary,
// which gets a second to end by itself, then SIGTERM, and SIGKILL 12 seconds
// later. The error is the logging binary's. Later calls return the same.
func (s *IO) Close() error {
	s.end()
	s.start.Lock()
	defer s.start.Unlock()
	s.closing.Do(func() { s.err = s.close() })
	return s.err
}

func (s *IO) close() error {
	closeAll(s.child.files()...)
	s.CloseStdin()
	pumps := s.running()
	for _, p := range pumps {
		p.stop()
	}
	s.closeUnused()
	if s.console != nil {
		s.console.Close()
	}
	err := s.awaitCopies(pumps)
	if s.logger != nil {
		err = errors.Join(err, s.logger.stop())
	}
	return err
}

// closeUnused closes what no pump has taken over; for what one has, it is the
// second time and does nothing.
func (s *IO) closeUnused() {
	closeAll(s.socket, s.input)
	if s.terminal != nil {
		s.terminal.Close()
	}
	for _, o := range s.outputs {
		o.src.Close()
		if o.dst != nil {
			o.dst.Close()
		}
	}
}

func (s *IO) awaitCopies(pumps []*pump) error {
	timer := time.NewTimer(closeLimit)
	defer timer.Stop()
	for _, p := range pumps {
		select {
		case <-p.done:
		case <-timer.C:
			return fmt.Errorf("cannot end the copy of %s: it hangs in a write", p.name)
		}
	}
	return nil
}
