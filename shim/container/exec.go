package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/opencontainers/runc/libcontainer"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tango/mounts/fault"
	"tango/shim/container/initexe"
	"tango/shim/stdio"
	"tango/shim/telemetry"
)

// ExecRequest is what an additional process is made of.
type ExecRequest struct {
	ID    string
	Spec  []byte // specs.Process in JSON
	Stdio stdio.Spec
}

// Exec adds a process to the container. It runs when StartExec says so.
func (c *Container) Exec(req ExecRequest) (*Process, error) {
	if err := c.init.ownState().allows(opExec); err != nil {
		return nil, err
	}
	PrimeCgroups() // it is about to be started
	if err := fault.Point("exec.add"); err != nil {
		return nil, err
	}
	var spec specs.Process
	if err := json.Unmarshal(req.Spec, &spec); err != nil {
		return nil, err
	}
	spec.Terminal = req.Stdio.Terminal
	p := newProcessState(c, req.ID, req.Stdio)
	p.spec = &spec
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, exists := c.execs[req.ID]; exists {
		return nil, fmt.Errorf("id %s: %w", req.ID, errdefs.ErrAlreadyExists)
	}
	c.execs[req.ID] = p
	return p, nil
}

// StartExec starts an added process. started is called before its exit can be
// reported.
func (c *Container) StartExec(ctx context.Context, id string, started func(pid int)) error {
	p, err := c.Process(id)
	if err != nil {
		return err
	}
	p.gate.Lock()
	defer p.gate.Unlock()
	if err := p.ownState().allows(opStart); err != nil {
		return err
	}
	if !c.execBegins() {
		return errgrpc.ToGRPCf(errdefs.ErrFailedPrecondition, "container %s init process is not running", c.ID)
	}
	c.rt.children.begin()
	defer c.rt.children.end()
	defer primeCgroupLock()()
	p.startBegins()
	if err := c.startObserved(ctx, p); err != nil {
		p.startFailed()
		if c.execEnded() {
			_, _ = c.init.Wait(ctx) // who hears of the error finds the container ended
		}
		return err
	}
	p.move(Created, Running)
	started(p.Pid())
	fault.Here("exec.announced")
	return nil
}

// startObserved is startExec with a record of it.
func (c *Container) startObserved(ctx context.Context, p *Process) (err error) {
	rec := c.observe(ctx, telemetry.OpExec)
	rec.Edit(func(r *telemetry.Record) { r.Exec = p.ID })
	defer func() { c.observed(rec, err) }()
	return p.startExec(ctx, rec)
}

// startExec runs the process. After an error startFailed has to tidy up.
func (p *Process) startExec(ctx context.Context, rec *telemetry.Recorder) error {
	opened := rec.Phase("streams")
	if err := fault.Point("exec.streams"); err != nil {
		return err
	}
	io, err := stdio.Open(ctx, stdio.Config{
		ContainerID: p.c.ID, ExecID: p.ID, Namespace: p.c.Namespace,
		UID: p.c.opts.IOUID, GID: p.c.opts.IOGID, Spec: p.stdio,
	})
	opened()
	if err != nil {
		return fmt.Errorf("failed to create init process I/O: %w", err)
	}
	p.adoptIO(io)
	if err := fault.Point("exec.launch", p.spec.Env...); err != nil {
		return err
	}
	launched := rec.Phase("init")
	lp, err := p.launch()
	launched()
	if err != nil {
		return fmt.Errorf("OCI runtime exec failed: exec failed: %w", err)
	}
	if err := p.run(ctx, lp); err != nil {
		_ = lp.Signal(unix.SIGKILL)
		_, _ = lp.Wait()
		return err
	}
	return nil
}

// run connects a process that was launched. After an error nobody watches it.
func (p *Process) run(ctx context.Context, lp *libcontainer.Process) error {
	if err := fault.Point("exec.run"); err != nil {
		return err
	}
	pid, err := lp.Pid()
	if err != nil {
		return err
	}
	if err := p.io.Started(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	p.lc, p.pid = lp, pid
	p.mu.Unlock()
	if err := fault.Point("exec.watch"); err != nil {
		return err
	}
	if err := p.watch(lp.Wait); err != nil {
		return err
	}
	p.spec = nil
	return nil
}

// launch starts the process through a libcontainer object of its own: the
// container's is locked while something starts, and execs must not queue behind
// one another, nor a kill behind an exec.
func (p *Process) launch() (*libcontainer.Process, error) {
	if err := validateProcess(p.spec); err != nil {
		return nil, err
	}
	lp, err := newProcess(p.spec)
	if err != nil {
		return nil, err
	}
	if err := fault.Point("exec.load"); err != nil {
		return nil, err
	}
	lc, err := libcontainer.Load(p.c.stateRoot(), p.c.ID)
	if err != nil {
		return nil, err
	}
	switch status, err := lc.Status(); {
	case err != nil:
		return nil, err
	case status == libcontainer.Stopped:
		return nil, errors.New("cannot exec in a stopped container")
	case status == libcontainer.Paused:
		return nil, errors.New("cannot exec in a paused container")
	}
	attachIO(lp, p.io)
	initexe.Adopt(p.c.rt.shared.Executables)
	return lp, lc.Start(lp)
}

// execBegins counts an exec in, unless the container's first process is gone.
func (c *Container) execBegins() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.initGone {
		return false
	}
	c.running++
	return true
}

// execEnded counts it out again. last tells that nothing else keeps the container's end
// from being told.
func (c *Container) execEnded() (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	if last = c.initGone && c.running == 0; last {
		close(c.idle)
	}
	return last
}

// deleteExec removes an exec that has ended or was never started. A start that
// is under way comes first.
func (c *Container) deleteExec(ctx context.Context, p *Process) error {
	p.gate.Lock()
	defer p.gate.Unlock()
	if err := p.ownState().allows(opDelete); err != nil {
		return err
	}
	if err := fault.Point("exec.delete"); err != nil {
		return err
	}
	if p.io != nil {
		p.drain(ctx)
	}
	p.drop()
	c.mu.Lock()
	delete(c.execs, p.ID)
	c.mu.Unlock()
	return nil
}
