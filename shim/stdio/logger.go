package stdio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"golang.org/x/sys/unix"
)

const (
	// loggerDrain is how long a logging binary has for reading what is left
	// and going by itself once its input has ended.
	loggerDrain = time.Second
	// loggerTerm is how long it then has from SIGTERM to SIGKILL.
	loggerTerm = 12 * time.Second
	// loggerKill is how long the kernel then has to end it.
	loggerKill = 5 * time.Second
)

// logger is a running logging binary.
type logger struct {
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process was waited for
	err  error         // of Wait; read after gone

	drain, term time.Duration // loggerDrain and loggerTerm
}

// startLogger starts the program of t with stdout, stderr and a pipe to say
// that it is ready as fds 3, 4 and 5, and waits until it is: it closes the
// pipe, and binary-v2 writes a byte before. The caller keeps both files.
func startLogger(ctx context.Context, c Config, t target, stdout, stderr *os.File) (*logger, error) {
	if c.Namespace == "" {
		return nil, fmt.Errorf("namespace is required: %w", errdefs.ErrFailedPrecondition)
	}
	r, w, err := newPipe("ready", ourRead)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	l := newLogger(t)
	l.cmd.Env = []string{"CONTAINER_ID=" + c.id(), "CONTAINER_NAMESPACE=" + c.Namespace}
	l.cmd.ExtraFiles = []*os.File{stdout, stderr, w}
	err = l.cmd.Start()
	w.Close()
	if err != nil {
		return nil, fmt.Errorf("failed to start binary process: %w", err)
	}
	go l.wait()
	if err := awaitReady(ctx, r, t.scheme == schemeBinaryV2); err != nil {
		_ = l.cmd.Process.Kill()
		<-l.gone
		return nil, err
	}
	return l, nil
}

func newLogger(t target) *logger {
	return &logger{
		cmd:   exec.Command(t.path, t.args...),
		gone:  make(chan struct{}),
		drain: loggerDrain,
		term:  loggerTerm,
	}
}

// awaitReady reads the one byte or, unless strict, the end of file that a
// logging binary says it is ready with.
func awaitReady(ctx context.Context, r *os.File, strict bool) error {
	stop := context.AfterFunc(ctx, func() { r.SetReadDeadline(past) })
	defer stop()
	n, err := r.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ctx.Err()
	}
	if err != nil && err != io.EOF {
		return fmt.Errorf("failed to read from logging binary: %w", err)
	}
	if strict && n == 0 {
		return errors.New("logging binary did not call ready (it may have crashed or exited prematurely)")
	}
	return nil
}

func (l *logger) wait() {
	l.err = l.cmd.Wait()
	close(l.gone)
}

// pids returns the process's id while it has not been waited for.
func (l *logger) pids() []int {
	select {
	case <-l.gone:
		return nil
	default:
		return []int{l.cmd.Process.Pid}
	}
}

// stop ends the process, whose input has ended, and returns how it went unless
// that is by itself or by our signals.
func (l *logger) stop() error {
	if l.goneWithin(l.drain) {
		return l.verdict()
	}
	l.signal(unix.SIGTERM)
	if l.goneWithin(l.term) {
		return l.verdict()
	}
	log.L.Warn("failed to wait for shim logger process to exit, killing")
	l.signal(unix.SIGKILL)
	if !l.goneWithin(loggerKill) {
		return fmt.Errorf("logging binary %s (pid %d) survives SIGKILL", l.cmd.Path, l.cmd.Process.Pid)
	}
	return nil
}

func (l *logger) signal(sig unix.Signal) {
	if err := l.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		log.L.WithError(err).Warnf("failed to send %v to the logging binary", sig)
	}
}

func (l *logger) goneWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.gone:
		return true
	case <-timer.C:
		return false
	}
}

// verdict is the error of a process that failed.
func (l *logger) verdict() error {
	var exit *exec.ExitError
	if l.err == nil {
		return nil
	}
	if errors.As(l.err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == unix.SIGTERM {
		return nil
	}
	return fmt.Errorf("logging binary %s: %w", l.cmd.Path, l.err)
}
