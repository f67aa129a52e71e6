package container

import (
	"fmt"
	"io"

	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"tango/mounts/fault"
	"tango/mounts/kernel"
	"tango/mounts/mountns"
)

// place is where a container's root filesystem was attached.
type place struct {
	held io.Closer // its namespaces; nil: in the host's
	undo func()    // if the container doesn't come into being
}

// close gives up this process's hold of the namespaces: from then on the
// container's processes are what keeps them.
func (p *place) close() {
	if p.held != nil {
		_ = p.held.Close()
	}
}

// placeRootfs attaches the root filesystem at its bundle path, in a mount
// namespace made for this container, and has config join that.
//
// A container without a mount namespace of its own can only find its root in the
// host's: there it is attached as runc's shim would.
func (c *Container) placeRootfs(config *configs.Config) (*place, error) {
	if !config.Namespaces.IsPrivate(configs.NEWNS) {
		return c.placeOnHost(config)
	}
	if err := fault.Point("place.fork"); err != nil {
		return nil, err
	}
	p, err := c.forkNamespace(config)
	if err != nil {
		return nil, err
	}
	fault.Here("place.forked")
	return p, nil
}

// joinPlace has config join a mount namespace of the host's.
func joinPlace(config *configs.Config, ns *kernel.Namespace) *place {
	joinMountNamespace(config, ns.Path())
	return &place{held: ns, undo: func() {}}
}

func (c *Container) placeOnHost(config *configs.Config) (*place, error) {
	if c.root == nil {
		return &place{undo: func() {}}, nil
	}
	if err := fault.Point("place.host"); err != nil {
		return nil, err
	}
	if err := c.root.Attach(config.Rootfs); err != nil {
		return nil, err
	}
	c.onHost = config.Rootfs
	return &place{undo: func() { _ = kernel.Unmount(config.Rootfs, kernel.UnmountDetach) }}, nil
}

// joinMountNamespace makes the prepared namespace the container's. In a user
// namespace of its own the container may change mounts only in a mount namespace
// that belongs to it; so there libcontainer's nsexec, having joined the prepared
// one, takes a copy: that is what a second entry, without a path, says.
func joinMountNamespace(config *configs.Config, path string) {
	config.Namespaces.Add(configs.NEWNS, path)
	if config.Namespaces.Contains(configs.NEWUSER) {
		config.Namespaces = append(config.Namespaces, configs.Namespace{Type: configs.NEWNS})
	}
}

// forkNamespace makes the container's mount namespace from the template, or from
// the host's where hooks run in it that may need anything the host has.
func (c *Container) forkNamespace(config *configs.Config) (*place, error) {
	template := c.template()
	if template == nil || config.HasHook(configs.CreateContainer) {
		ns, err := mountns.ForkHost(c.Bundle, func() error { return c.attachRoot(config) })
		if err != nil {
			return nil, err
		}
		return joinPlace(config, ns), nil
	}
	staging, err := c.stageSources(template, config)
	if err != nil {
		return nil, err
	}
	defer staging.Close()
	fill := func() error {
		learnCgroups()
		if err := staging.Attach(); err != nil {
			return err
		}
		return c.attachRoot(config)
	}
	if c.canOwn(config, staging) {
		return c.forkOwned(template, config, fill)
	}
	ns, err := template.Fork(fill)
	if err != nil {
		return nil, err
	}
	return joinPlace(config, ns), nil
}

// template is what the namespace starts from; nil is the host's.
func (c *Container) template() *mountns.Template {
	defer c.rec.Phase("template")()
	t := c.rt.lean(c.Bundle)
	if t == nil {
		c.rec.Count("fallback.template", 1)
	}
	return t
}

func (c *Container) attachRoot(config *configs.Config) error {
	defer c.rec.Phase("attach")()
	if c.root == nil {
		return nil // a directory of the host, named by the spec
	}
	if err := fault.Point("place.attach"); err != nil {
		return err
	}
	if err := c.root.AttachInPlace(config.Rootfs); err != nil {
		return err
	}
	if err := fault.Point("place.attached"); err != nil {
		return err
	}
	return prepareDev(config)
}

// stageSources takes along what the container's bind mounts are made from, and
// its root if that is a directory of the host, and has config find them.
func (c *Container) stageSources(t *mountns.Template, config *configs.Config) (*mountns.Staging, error) {
	defer c.rec.Phase("stage")()
	var sources []mountns.Source
	var paths []*string
	for _, m := range config.Mounts {
		if m.IsBind() {
			sources = append(sources, mountns.Source{Path: m.Source, Recursive: m.Flags&unix.MS_REC != 0, Private: isPrivate(m)})
			paths = append(paths, &m.Source)
		}
	}
	if c.root == nil {
		sources = append(sources, mountns.Source{Path: config.Rootfs, Recursive: true})
		paths = append(paths, &config.Rootfs)
	}
	staging, found, err := t.Stage(c.Bundle, sources)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare the sources of bind mounts: %w", err)
	}
	for i, path := range paths {
		c.sources.add(found[i], *path)
		*path = found[i]
	}
	return staging, nil
}

// isPrivate tells whether the mount asks not to get the host's mount events.
// Without a word about propagation a bind mount is the host's slave, as with runc.
func isPrivate(m *configs.Mount) bool {
	for _, f := range m.PropagationFlags {
		if f&unix.MS_PRIVATE != 0 {
			return true
		}
	}
	return false
}
