package container

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/log"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tango/mounts/mountns"
)

// CheckpointRequest says where a checkpoint goes and what CRIU may dump.
type CheckpointRequest struct {
	Path            string // directory for the images
	WorkDir         string // CRIU's; "" is one of the bundle's, removed afterwards
	ParentPath      string // relative to Path
	Exit            bool   // end the container
	OpenTCP         bool
	ExternalSockets bool
	Terminal        bool
	FileLocks       bool
	EmptyNamespaces []string
}

// Checkpoint writes the running container to images with CRIU.
func (c *Container) Checkpoint(ctx context.Context, req CheckpointRequest) error {
	c.lifecycle.Lock()
	defer c.lifecycle.Unlock()
	if err := c.init.ownState().allows(opCheckpoint); err != nil {
		return err
	}
	// An object of its own: a kill must not wait until CRIU is done.
	lc, err := libcontainer.Load(c.stateRoot(), c.ID)
	if err != nil {
		return err
	}
	c.rt.children.begin()
	defer c.rt.children.end()
	work := req.WorkDir
	if work == "" {
		work = filepath.Join(c.criuWork(), "criu-work")
		defer os.RemoveAll(work)
	}
	opts, err := req.criu(work)
	if err != nil {
		return err
	}
	if err := lc.Checkpoint(opts); err != nil {
		dump := filepath.Join(c.Bundle, "criu-dump.log")
		if err := copyFile(dump, filepath.Join(work, "dump.log")); err != nil {
			log.G(ctx).WithError(err).Error("failed to copy dump.log to criu-dump.log")
		}
		first, _, _ := strings.Cut(err.Error(), "\n")
		return fmt.Errorf("%s path= %s", first, dump)
	}
	return nil
}

func (req CheckpointRequest) criu(work string) (*libcontainer.CriuOpts, error) {
	empty, err := emptyNamespaces(req.EmptyNamespaces)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{req.Path, work} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	return &libcontainer.CriuOpts{
		ImagesDirectory:         req.Path,
		WorkDirectory:           work,
		ParentImage:             req.ParentPath,
		LeaveRunning:            !req.Exit,
		TcpEstablished:          req.OpenTCP,
		ExternalUnixConnections: req.ExternalSockets,
		ShellJob:                req.Terminal,
		FileLocks:               req.FileLocks,
		EmptyNs:                 empty,
	}, nil
}

// emptyNamespaces always has the network: CRIU is not to dump its devices.
func emptyNamespaces(names []string) (uint32, error) {
	for _, name := range names {
		if name != string(specs.NetworkNamespace) {
			return 0, fmt.Errorf("namespace %q is not supported", name)
		}
	}
	return unix.CLONE_NEWNET, nil
}

// criuWork is where CRIU keeps logs and temporary files.
func (c *Container) criuWork() string {
	if c.opts.CriuWorkPath != "" {
		return c.opts.CriuWorkPath
	}
	return filepath.Join(c.Bundle, "work")
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

// restore is what starting a container from a checkpoint takes.
type restore struct {
	process *specs.Process
	config  *configs.Config
	images  string
	parent  string
}

// startRestored has CRIU bring the container back. CRIU works on the root
// filesystem where it is mounted and looks at everything the host has; so it
// runs in a private copy of the host's mount namespace with the root in place.
func (c *Container) startRestored(ctx context.Context) error {
	p, err := newProcess(c.restore.process)
	if err != nil {
		return restoreError(err)
	}
	attachIO(p, c.init.io)
	p.Init = true
	lc, err := libcontainer.Create(c.stateRoot(), c.ID, c.restore.config)
	if err != nil {
		return restoreError(err)
	}
	ns, err := mountns.ForkHost("", func() error {
		if err := c.attachRoot(c.restore.config); err != nil {
			return err
		}
		return lc.Restore(p, c.restore.criu(c.criuWork()))
	})
	if err != nil {
		destroyForced(lc)
		return restoreError(err)
	}
	_ = ns.Close()
	err = c.init.io.Started(ctx)
	if err == nil {
		err = c.adoptRestored(p)
	}
	if err != nil {
		c.giveUpRestored()
	}
	return err
}

// giveUpRestored removes a container that was restored but can't be served.
func (c *Container) giveUpRestored() {
	c.setObject(nil)
	lc, err := libcontainer.Load(c.stateRoot(), c.ID) // see adoptRestored
	if err != nil {
		log.L.WithError(err).WithField("id", c.ID).Error("cannot load a restored container")
		return
	}
	destroyForced(lc)
}

// adoptRestored watches the restored process. CRIU made it, as our child, so
// libcontainer has nothing to wait for it with.
func (c *Container) adoptRestored(p *libcontainer.Process) error {
	pid, err := p.Pid()
	if err != nil {
		return err
	}
	// The object that restored doesn't take the process for the container's own;
	// one that reads the saved state does.
	lc, err := libcontainer.Load(c.stateRoot(), c.ID)
	if err != nil {
		return err
	}
	c.setObject(lc)
	c.init.mu.Lock()
	c.init.pid, c.init.lc = pid, p
	c.init.mu.Unlock()
	c.rt.watchOOM(c)
	return c.init.watch(func() (*os.ProcessState, error) {
		process, err := os.FindProcess(pid)
		if err != nil {
			return nil, err
		}
		return process.Wait()
	})
}

func (r *restore) criu(work string) *libcontainer.CriuOpts {
	return &libcontainer.CriuOpts{
		ImagesDirectory: r.images,
		WorkDirectory:   work,
		ParentImage:     r.parent,
		EmptyNs:         unix.CLONE_NEWNET,
	}
}

func restoreError(err error) error { return fmt.Errorf("OCI runtime restore failed: %w", err) }
