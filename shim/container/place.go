package container

import (
	"fmt"

	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/mountns"
)

// place is where a container's root filesystem was attached.
type place struct {
	ns   *kernel.Namespace // nil: in the host's namespace
	undo func()            // if the container doesn't come into being
}

// close gives up this process's hold of the namespace: from then on the
// container's processes are what keeps it.
func (p *place) close() { _ = p.ns.Close() }

// placeRootfs attaches the root filesystem at its bundle path, in a mount
// namespace made for this container, and has config join that.
//
// A container without a mount namespace of its own can only find its root in the
// host's: there it is attached as runc's shim would.
func (c *Container) placeRootfs(config *configs.Config) (*place, error) {
	if !config.Namespaces.IsPrivate(configs.NEWNS) {
		return c.placeOnHost(config)
	}
	ns, err := c.forkNamespace(config)
	if err != nil {
		return nil, err
	}
	joinMountNamespace(config, ns.Path())
	return &place{ns: ns, undo: func() {}}, nil
}

func (c *Container) placeOnHost(config *configs.Config) (*place, error) {
	if c.root == nil {
		return &place{undo: func() {}}, nil
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
func (c *Container) forkNamespace(config *configs.Config) (*kernel.Namespace, error) {
	template := c.rt.lean(c.Bundle)
	if template == nil || config.HasHook(configs.CreateContainer) {
		return mountns.ForkHost(func() error { return c.attachRoot(config) })
	}
	staging, err := c.stageSources(template, config)
	if err != nil {
		return nil, err
	}
	defer staging.Close()
	return template.Fork(func() error {
		learnCgroups(config)
		if err := staging.Attach(); err != nil {
			return err
		}
		return c.attachRoot(config)
	})
}

func (c *Container) attachRoot(config *configs.Config) error {
	if c.root == nil {
		return nil // a directory of the host, named by the spec
	}
	if err := c.root.AttachInPlace(config.Rootfs); err != nil {
		return err
	}
	return prepareDev(config)
}

// stageSources takes along what the container's bind mounts are made from, and
// its root if that is a directory of the host, and has config find them.
func (c *Container) stageSources(t *mountns.Template, config *configs.Config) (*mountns.Staging, error) {
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
