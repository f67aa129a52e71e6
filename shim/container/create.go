package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"tango/mounts/fault"
	"tango/mounts/service"
	"tango/rootfs"
	"tango/shim/container/initexe"
	"tango/shim/options"
	"tango/shim/stdio"
	"tango/shim/telemetry"
)

// CreateRequest is what a new container is made of.
type CreateRequest struct {
	ID        string
	Namespace string // containerd's
	Bundle    string // absolute
	Rootfs    []rootfs.Mount
	Stdio     stdio.Spec
	Options   options.Config
	// Checkpoint is a directory of CRIU images to restore from; "" starts afresh.
	Checkpoint       string
	ParentCheckpoint string
	// Wanted is asked when the first process is there: an error of it undoes all.
	// nil wants the container in any case.
	Wanted func() error
}

// stillWanted asks who wanted the container.
func (r CreateRequest) stillWanted() error {
	if r.Wanted == nil {
		return nil
	}
	return r.Wanted()
}

// creation is a container on its way into being, with what undoes each step.
type creation struct {
	*Container
	req    CreateRequest
	spec   *specs.Spec
	config *configs.Config
	undo   []func()
	turn   *service.Lease
}

// Create makes a container whose first process waits for Start. created is
// called when it exists, before anything about it can be reported. On error
// nothing of the container is left.
func (r *Runtime) Create(ctx context.Context, req CreateRequest, created func(*Container)) (_ *Container, retErr error) {
	c := &creation{Container: newContainer(r, req), req: req}
	c.rec = c.observe(ctx, telemetry.OpCreate)
	defer func() { c.observed(c.rec, retErr) }()
	r.children.begin()
	defer r.children.end()
	defer func() {
		if retErr != nil {
			c.rollBack()
		}
	}()
	defer primeCgroupLock()()
	defer func() { c.turn.Release() }()
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	if req.Checkpoint != "" {
		c.init.state = Restorable
		c.restore = &restore{process: c.spec.Process, config: c.config, images: req.Checkpoint, parent: req.ParentCheckpoint}
		created(c.Container)
		return c.Container, nil
	}
	p, err := c.launch(ctx)
	if err != nil {
		return nil, err
	}
	c.init.gate.Lock()
	defer c.init.gate.Unlock()
	if err := fault.Point("create.watch"); err != nil {
		return nil, err
	}
	if err := req.stillWanted(); err != nil {
		return nil, err
	}
	if err := c.init.watch(p.Wait); err != nil {
		return nil, err
	}
	created(c.Container)
	fault.Here("create.announced")
	r.watchOOM(c.Container)
	return c.Container, nil
}

// prepare does everything that comes before the container's first process.
func (c *creation) prepare(ctx context.Context) error {
	if err := fault.Point("create.options"); err != nil {
		return err
	}
	if err := options.Save(c.Bundle, c.opts); err != nil {
		return err
	}
	if err := fault.Point("create.spec"); err != nil {
		return err
	}
	if err := c.readSpec(); err != nil {
		return createError(err)
	}
	if !c.usesService() {
		if err := c.takeTurn(ctx); err != nil {
			return err
		}
	}
	if err := c.prepareRootfs(ctx); err != nil {
		return fmt.Errorf("failed to mount rootfs component: %w", err)
	}
	if err := c.openIO(ctx); err != nil {
		return fmt.Errorf("failed to create init process I/O: %w", err)
	}
	return nil
}

// readSpec reads what the container is to be, and settles how it is run.
func (c *creation) readSpec() (err error) {
	defer c.rec.Phase("spec")()
	if c.spec, err = loadSpec(c.Bundle); err != nil {
		return err
	}
	c.decide(c.spec.Annotations)
	if c.config, err = newConfig(c.ID, c.Bundle, c.spec, c.opts); err != nil {
		return err
	}
	c.config.Labels = append(c.config.Labels, armLabel+"="+c.arm.Arm)
	if !c.arm.Stock() {
		spareMounts(c.config)
	}
	c.sharesPIDs = !c.config.Namespaces.IsPrivate(configs.NEWPID)
	return nil
}

// prepareRootfs makes the root filesystem, attached to nothing yet.
func (c *creation) prepareRootfs(ctx context.Context) error {
	defer c.rec.Phase("rootfs")()
	if len(c.req.Rootfs) == 0 {
		return nil
	}
	if err := os.Mkdir(filepath.Join(c.Bundle, "rootfs"), 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := fault.Point("create.rootfs"); err != nil {
		return err
	}
	plan, err := rootfs.Parse(c.req.Rootfs)
	if err != nil {
		return err
	}
	c.rec.Count("layers", int64(plan.Layers()))
	c.rt.noteSnapshots(plan)
	if c.arm.Stock() {
		c.settleWay(wayStock)
		return nil
	}
	preparer, err := c.rt.preparer(c.rootfsWay())
	if err != nil {
		return err
	}
	if c.usesService() {
		err = c.buildRemotely(ctx, preparer, plan)
	} else {
		c.root, err = preparer.Prepare(ctx, plan)
	}
	if err != nil {
		return err
	}
	c.undo = append(c.undo, func() { _ = c.root.Close() })
	c.settleWay(c.root.Way().String())
	return fault.Point("create.prepared")
}

func (c *creation) openIO(ctx context.Context) error {
	defer c.rec.Phase("streams")()
	io, err := stdio.Open(ctx, stdio.Config{
		ContainerID: c.ID, Namespace: c.Namespace,
		UID: c.opts.IOUID, GID: c.opts.IOGID, Spec: c.req.Stdio,
	})
	if err != nil {
		return err
	}
	c.init.adoptIO(io)
	c.undo = append(c.undo, c.init.closeIO)
	return fault.Point("create.streams")
}

// launch starts the container's first process, which then waits on the exec
// fifo, in a mount namespace that has everything in place.
func (c *creation) launch(ctx context.Context) (*libcontainer.Process, error) {
	place, err := c.place()
	if err != nil {
		return nil, fmt.Errorf("failed to mount rootfs component: %w", err)
	}
	defer place.close()
	c.undo = append(c.undo, place.undo)
	if err := fault.Point("create.launch"); err != nil {
		return nil, err
	}
	p, err := newProcess(c.spec.Process)
	if err != nil {
		return nil, createError(err)
	}
	attachIO(p, c.init.io)
	p.Init = true
	initexe.Adopt(c.rt.shared.Executables)
	if err := c.startFirst(p); err != nil {
		return nil, createError(c.sources.restore(err))
	}
	if err := c.init.io.Started(ctx); err != nil {
		return nil, err
	}
	c.init.lc = p
	c.init.pid, err = p.Pid()
	return p, err
}

// place puts the root filesystem where the container finds it.
func (c *creation) place() (*place, error) {
	defer c.rec.Phase("place")()
	if c.arm.Stock() {
		return c.placeStock(c.config)
	}
	return c.placeRootfs(c.config)
}

func (c *creation) startFirst(p *libcontainer.Process) (err error) {
	defer c.rec.Phase("init")()
	if c.lc, err = libcontainer.Create(c.stateRoot(), c.ID, c.config); err != nil {
		return err
	}
	c.undo = append(c.undo, func() { destroyGivenUp(c.lc, p) })
	if err := fault.Point("create.state"); err != nil {
		return err
	}
	if err := c.lc.Start(p); err != nil {
		return err
	}
	return fault.Point("create.started")
}

// rollBack undoes the steps in reverse. libcontainer leaves the pipes of a
// failed start to the garbage collector; a daemon can't wait for that.
func (c *creation) rollBack() {
	for i := len(c.undo) - 1; i >= 0; i-- {
		c.undo[i]()
	}
	runtime.GC()
}

// createError says it as containerd's runc shim does, which passes on runc's log.
func createError(err error) error {
	return fmt.Errorf("OCI runtime create failed: runc create failed: %w", err)
}
