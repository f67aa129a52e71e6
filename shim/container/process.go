package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"github.com/opencontainers/runc/libcontainer"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tango/shim/stdio"
)

// drainTimeout is how long a delete waits for output that is still on its way.
const drainTimeout = 10 * time.Second

// Exit is how and when a process ended. Status is the exit code, or 128 plus
// the number of the signal.
type Exit struct {
	Status int
	At     time.Time
}

// ExitEvent is the news of an exit. ExecID is empty for a first process.
type ExitEvent struct {
	ContainerID, ExecID string
	Pid                 int
	Exit                Exit
}

// Process is a container's first process or an exec.
type Process struct {
	// ID is the exec's id; empty for the first process.
	ID string

	c     *Container
	stdio stdio.Spec
	spec  *specs.Process // of an exec, until it starts

	// gate is held while the process starts and that is announced; its exit is
	// handled only afterwards. An exec's delete holds it too.
	gate sync.Mutex

	mu      sync.Mutex // guards the following
	io      *stdio.IO  // nil until the process is about to start
	helpers []int      // pids of what serves io, while they are owned
	state   State
	pid     int
	exit    Exit
	lc      *libcontainer.Process
	done    chan struct{} // closed when the process has ended, failed to start, or never will run
	over    bool          // done is closed
}

func newProcessState(c *Container, id string, streams stdio.Spec) *Process {
	return &Process{ID: id, c: c, stdio: streams, done: make(chan struct{})}
}

// Container is where the process runs.
func (p *Process) Container() *Container { return p.c }

// Pid is the process's number in the shim's PID namespace; 0 before it runs.
func (p *Process) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// Stdio is where the process's streams go.
func (p *Process) Stdio() stdio.Spec { return p.stdio }

// Exit is how the process ended; the zero value while it runs.
func (p *Process) Exit() Exit {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exit
}

// State is where the process stands. A container is paused as a whole: with it,
// its execs are.
func (p *Process) State() State {
	if p.c.pausing.Load() {
		return Pausing
	}
	if s := p.c.init.ownState(); s == Paused {
		return s
	}
	return p.ownState()
}

func (p *Process) ownState() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Wait blocks until the process has ended.
func (p *Process) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-p.ended():
		return p.Exit(), nil
	case <-ctx.Done():
		return Exit{}, ctx.Err()
	}
}

// Resize sets the size of the process's terminal, if it has one.
func (p *Process) Resize(width, height uint16) error {
	io := p.streams()
	switch s := p.ownState(); {
	case s == Stopped && p.ID != "":
		return errors.New("cannot resize a stopped container")
	case s == Deleted:
		return errors.New("cannot resize a deleted process")
	case io == nil:
		return nil
	}
	return io.Resize(width, height)
}

// CloseStdin ends the process's standard input.
func (p *Process) CloseStdin() error {
	io := p.streams()
	if io == nil {
		return nil
	}
	if err := io.CloseStdin(); err != nil {
		return fmt.Errorf("close stdin: %w", err)
	}
	return nil
}

// move changes the state from one to another; if it isn't from any more, because
// the process has ended meanwhile, nothing happens.
func (p *Process) move(from, to State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == from {
		p.state = to
	}
}

// exited is called once, when the process is gone and reaped.
func (p *Process) exited(exit Exit) {
	p.gate.Lock()
	defer p.gate.Unlock()
	if p.ID == "" {
		p.c.initExited(exit)
		return
	}
	p.finish(exit)
	p.c.execEnded()
}

// finish makes the exit known, to everybody at once: who sees the process as
// stopped, or is woken by its end, may delete it, and the news of that must not
// overtake the news of the exit.
func (p *Process) finish(exit Exit) {
	p.io.Exited()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exit, p.state = exit, Stopped
	p.c.rt.events.Exited(ExitEvent{ContainerID: p.c.ID, ExecID: p.ID, Pid: p.pid, Exit: exit})
	p.end()
}

// startBegins has an exec waited for whose start failed before.
func (p *Process) startBegins() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		p.done, p.over = make(chan struct{}), false
	}
}

// startFailed leaves an exec as it was before its start: created, as with containerd's
// runc shim, which too lets go of who waits for it. It can be deleted, or started again.
func (p *Process) startFailed() {
	if p.streams() != nil {
		p.closeIO()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.io, p.lc, p.pid = nil, nil, 0
	p.end()
}

// drop marks a process as deleted. One that never ran is then not waited for in
// vain any more.
func (p *Process) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = Deleted
	p.end()
}

// end wakes whoever waits for the process. The caller holds mu.
func (p *Process) end() {
	if !p.over {
		close(p.done)
		p.over = true
	}
}

// ended is what end closes.
func (p *Process) ended() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// streams are the process's; nil until it is about to start.
func (p *Process) streams() *stdio.IO {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.io
}

// adoptIO gives the process its streams, and keeps what serves them from being
// taken for orphans.
func (p *Process) adoptIO(io *stdio.IO) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.io, p.helpers = io, io.Pids()
	p.c.rt.children.own(p.helpers...)
}

// drain waits for the rest of the output, then ends the process's streams.
func (p *Process) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	if err := p.io.Wait(ctx); err != nil {
		log.G(ctx).WithError(err).Errorf("failed to drain process %s%s io", p.c.ID, p.ID)
	}
	p.closeIO()
}

// closeIO ends the process's streams. It may be called any number of times.
func (p *Process) closeIO() {
	if err := p.io.Close(); err != nil {
		log.L.WithError(err).WithField("id", p.c.ID).Warn("cannot close a process's streams cleanly")
	}
	p.mu.Lock()
	helpers := p.helpers
	p.helpers = nil
	p.mu.Unlock()
	p.c.rt.children.disown(helpers...)
}

// signal sends a signal to this process alone.
func (p *Process) signal(sig unix.Signal) error {
	p.mu.Lock()
	lc, state := p.lc, p.state
	p.mu.Unlock()
	switch {
	case lc == nil:
		return fmt.Errorf("process not created: %w", errdefs.ErrFailedPrecondition)
	case state >= Stopped:
		return fmt.Errorf("process already finished: %w", errdefs.ErrNotFound)
	}
	if err := lc.Signal(sig); err != nil {
		return fmt.Errorf("exec kill error: %w", killError(err))
	}
	return nil
}

// killError tells a process that is gone from other trouble.
func killError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrProcessDone), errors.Is(err, libcontainer.ErrNotRunning), errors.Is(err, unix.ESRCH):
		return fmt.Errorf("process already finished: %w", errdefs.ErrNotFound)
	case errors.Is(err, libcontainer.ErrNotExist):
		return fmt.Errorf("no such container: %w", errdefs.ErrNotFound)
	}
	return fmt.Errorf("unknown error after kill: %w", err)
}

// attachIO gives the process its ends of the streams. A nil *os.File must not
// become a non-nil io.Reader.
func attachIO(p *libcontainer.Process, io *stdio.IO) {
	child := io.Child()
	p.ConsoleSocket = child.ConsoleSocket
	if child.Stdin != nil {
		p.Stdin = child.Stdin
	}
	if child.Stdout != nil {
		p.Stdout = child.Stdout
	}
	if child.Stderr != nil {
		p.Stderr = child.Stderr
	}
}
