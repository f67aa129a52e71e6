package container

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"tango/mounts/fault"
	"tango/mounts/kernel"
	"tango/rootfs"
	"tango/shim/options"
	"tango/shim/rollout"
	"tango/shim/telemetry"
)

// freezeTries was enough with the load at ten times the number of CPUs, where
// one try in three failed.
const freezeTries = 5

// Container is one container and its processes.
type Container struct {
	ID        string
	Namespace string // containerd's
	Bundle    string

	rt         *Runtime
	opts       options.Config
	init       *Process
	restore    *restore       // nil unless created from a checkpoint
	root       *rootfs.Rootfs // nil if the spec names a directory of the host
	onHost     string         // where root is attached in the host's namespace; "" mostly
	sources    sourceNames    // fixed when the first process is launched
	stock      []mount.Mount  // of the root, if it was mounted as containerd does
	sharesPIDs bool           // other processes than its own may be in its PID namespace
	cgroup     cgroupHandle
	pausing    atomic.Bool

	rec *telemetry.Recorder // of the create
	arm rollout.Decision    // settled by the create, as pod and way
	pod string
	way string

	// lifecycle is held by what changes the first process's state from outside:
	// start, delete, pause, resume, update, checkpoint.
	lifecycle sync.Mutex

	// lc changes under lifecycle and mu. It is nil until a restorable container is
	// started.
	lc *libcontainer.Container

	mu       sync.Mutex // guards the following
	execs    map[string]*Process
	running  int           // execs that run or start
	initGone bool          // from then on no exec starts
	idle     chan struct{} // closed when initGone and no exec runs
}

func newContainer(r *Runtime, req CreateRequest) *Container {
	c := &Container{
		ID: req.ID, Namespace: req.Namespace, Bundle: req.Bundle,
		rt: r, opts: req.Options,
		execs: map[string]*Process{}, idle: make(chan struct{}),
	}
	c.init = newProcessState(c, "", req.Stdio)
	return c
}

// stateRoot is where libcontainer keeps the states of containers: in the bundle,
// unless the options name a place.
func (c *Container) stateRoot() string { return stateRoot(c.Bundle, c.Namespace, c.opts) }

func stateRoot(bundle, namespace string, opts options.Config) string {
	if opts.Root != "" {
		return filepath.Join(opts.Root, namespace)
	}
	return filepath.Join(bundle, "state")
}

// Init is the container's first process.
func (c *Container) Init() *Process { return c.init }

// Process finds the first process, with an empty id, or an exec.
func (c *Container) Process(id string) (*Process, error) {
	if id == "" {
		return c.init, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.execs[id]
	if !ok {
		return nil, fmt.Errorf("process does not exist %s: %w", id, errdefs.ErrNotFound)
	}
	return p, nil
}

// object returns libcontainer's, which a restorable container has none of.
func (c *Container) object() (*libcontainer.Container, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lc == nil {
		return nil, fmt.Errorf("no such container: %w", errdefs.ErrNotFound)
	}
	return c.lc, nil
}

// setObject is called under lifecycle.
func (c *Container) setObject(lc *libcontainer.Container) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lc = lc
}

// Start lets the first process run its program, or restores it from a
// checkpoint. started is called before its exit can be reported.
func (c *Container) Start(ctx context.Context, started func(pid int)) error {
	c.lifecycle.Lock()
	defer c.lifecycle.Unlock()
	state := c.init.ownState()
	if err := state.allows(opStart); err != nil {
		return err
	}
	c.rt.children.begin()
	defer c.rt.children.end()
	c.init.gate.Lock()
	defer c.init.gate.Unlock()
	if err := c.startObservedInit(ctx, state); err != nil {
		return err
	}
	fault.Here("start.running")
	c.init.move(state, Running)
	started(c.init.Pid())
	fault.Here("start.announced")
	return nil
}

// startObservedInit is startInit with a record of it.
func (c *Container) startObservedInit(ctx context.Context, state State) (err error) {
	rec := c.observe(ctx, telemetry.OpStart)
	defer func() { c.observed(rec, err) }()
	defer rec.Phase("release")()
	return c.startInit(ctx, state)
}

func (c *Container) startInit(ctx context.Context, state State) error {
	if state == Restorable {
		return c.startRestored(ctx)
	}
	if err := fault.Point("start.exec"); err != nil {
		return err
	}
	if err := c.lc.Exec(); err != nil {
		releaseFifo(filepath.Join(c.stateRoot(), c.ID, "exec.fifo"))
		return fmt.Errorf("OCI runtime start failed: %w", err)
	}
	return nil
}

// releaseFifo wakes the goroutine that libcontainer leaves behind when the
// process died before its start: it sits in open(2), waiting for a writer.
func releaseFifo(path string) {
	if fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
		_ = unix.Close(fd)
	}
}

// initExited ends the container: what is left of it is killed, and when its
// execs have been reported the exit of its first process is, as the last one.
func (c *Container) initExited(exit Exit) {
	c.mu.Lock()
	c.initGone = true
	if c.running == 0 {
		close(c.idle)
	}
	c.mu.Unlock()
	if c.init.ownState() == Paused {
		if err := c.lc.Resume(); err != nil {
			log.L.WithError(err).Error("resuming exited container from paused state")
		}
	}
	if c.sharesPIDs {
		if err := c.lc.Signal(unix.SIGKILL); err != nil && !errors.Is(err, libcontainer.ErrNotRunning) {
			log.L.WithError(err).WithField("id", c.ID).Error("failed to kill init's children")
		}
	}
	<-c.idle
	fault.Here("exit.save")
	if err := saveExit(c.Bundle, c.init.Pid(), exit); err != nil {
		log.L.WithError(err).WithField("id", c.ID).Error("failed to store exit status in bundle")
	}
	fault.Here("exit.saved")
	c.init.finish(exit)
}

// Kill sends a signal to the first process; all has no further meaning than
// that a container which doesn't run is no error. As in runc, SIGKILL reaches
// every process of a container that shares its PID namespace.
func (c *Container) Kill(id string, sig uint32, all bool) error {
	if err := fault.Point("kill.signal"); err != nil {
		return err
	}
	p, err := c.Process(id)
	if err != nil {
		return err
	}
	if id != "" {
		return p.signal(unix.Signal(sig))
	}
	err = c.signal(unix.Signal(sig))
	if all && errors.Is(err, libcontainer.ErrNotRunning) {
		return nil
	}
	return killError(err)
}

// signal asks libcontainer only where it can matter: for a process that is known
// to be gone it would look through a new instance of procfs.
func (c *Container) signal(sig unix.Signal) error {
	lc, err := c.object()
	if err != nil {
		return err
	}
	if c.init.ownState() >= Stopped && !c.sharesPIDs {
		return libcontainer.ErrNotRunning
	}
	return lc.Signal(sig)
}

// Pause freezes the container.
func (c *Container) Pause() error {
	return c.change(opPause, Paused, "OCI runtime pause failed", func(lc *libcontainer.Container) error {
		c.pausing.Store(true)
		defer c.pausing.Store(false)
		c.awaitProgram()
		return freeze(lc)
	})
}

// freeze pauses, and tries again if that fails: the freezer of cgroup v1 asks each
// process to stop and gives up before a busy machine has let all of them run.
func freeze(lc *libcontainer.Container) (err error) {
	for range freezeTries {
		if err = lc.Pause(); err == nil || errors.Is(err, libcontainer.ErrNotRunning) {
			return err
		}
	}
	return err
}

// Resume thaws the container.
func (c *Container) Resume() error {
	return c.change(opResume, Running, "OCI runtime resume failed", (*libcontainer.Container).Resume)
}

func (c *Container) change(op operation, to State, failed string, do func(*libcontainer.Container) error) error {
	c.lifecycle.Lock()
	defer c.lifecycle.Unlock()
	if err := fault.Point("change.state"); err != nil {
		return err
	}
	from := c.init.ownState()
	if err := from.allows(op); err != nil {
		return err
	}
	if err := do(c.lc); err != nil {
		return fmt.Errorf("%s: %w", failed, err)
	}
	c.init.move(from, to)
	return nil
}

// Pids lists the processes in the container's cgroup.
func (c *Container) Pids() ([]int, error) {
	lc, err := c.object()
	if err != nil {
		return nil, err
	}
	return lc.Processes()
}

// ExecOf finds out which exec a pid is; nil if none.
func (c *Container) ExecOf(pid int) *Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.execs {
		if p.Pid() == pid {
			return p
		}
	}
	return nil
}

// Delete removes the container or one of its execs, which must not run.
func (c *Container) Delete(ctx context.Context, id string) (*Process, error) {
	p, err := c.Process(id)
	if err != nil {
		return nil, err
	}
	if id != "" {
		return p, c.deleteExec(ctx, p)
	}
	c.lifecycle.Lock()
	defer c.lifecycle.Unlock()
	if err := p.ownState().allows(opDelete); err != nil {
		return nil, err
	}
	rec := c.observe(ctx, telemetry.OpDelete)
	err = c.destroy(ctx, rec)
	c.observed(rec, err)
	return p, err
}

// destroy takes away what the container holds. A process that was created but
// never started is killed first.
func (c *Container) destroy(ctx context.Context, rec *telemetry.Recorder) error {
	if err := fault.Point("delete.begin"); err != nil {
		return err
	}
	c.rt.children.begin() // poststop hooks
	defer c.rt.children.end()
	if c.init.ownState() == Created {
		_ = c.lc.Signal(unix.SIGKILL)
		if _, err := c.init.Wait(ctx); err != nil {
			return fmt.Errorf("failed to delete task: %w", err)
		}
	}
	fault.Here("delete.drain")
	drained := rec.Phase("drain")
	c.init.drain(ctx)
	drained()
	defer rec.Phase("remove")()
	var errs []error
	if c.lc != nil {
		if err := c.lc.Destroy(); err != nil {
			errs = append(errs, fmt.Errorf("failed to delete task: %w", err))
		}
	}
	fault.Here("delete.root")
	if err := c.releaseRoot(); err != nil {
		errs = append(errs, fmt.Errorf("failed rootfs umount: %w", err))
	}
	if len(errs) == 0 {
		c.init.drop()
		c.dropExecs()
	}
	return errors.Join(errs...)
}

// dropExecs ends the streams of execs that nobody has deleted.
func (c *Container) dropExecs() {
	c.mu.Lock()
	execs := slices.Collect(maps.Values(c.execs))
	c.mu.Unlock()
	for _, p := range execs {
		p.gate.Lock()
		if p.io != nil {
			p.closeIO()
		}
		p.drop()
		p.gate.Unlock()
	}
}

// releaseRoot gives the root filesystem back. Its mounts went with the
// container's namespace; only what had to be attached on the host is left.
func (c *Container) releaseRoot() error {
	errs := []error{c.releaseStock()}
	if c.onHost != "" {
		errs = append(errs, kernel.Unmount(c.onHost, kernel.UnmountNoFollow))
		c.onHost = ""
	}
	if c.root != nil {
		errs = append(errs, c.root.Close())
		c.root = nil
	}
	return errors.Join(errs...)
}
