package container

import (
	"errors"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/opencontainers/runc/libcontainer/configs"

	"tango/rootfs"
)

// wayStock is the way of the control arm in records.
const wayStock = "stock"

// placeStock has containerd's own code mount the root filesystem on its bundle
// path, in the host's mount namespace; libcontainer then copies that namespace. It
// is what containerd's runc shim does, for a comparison within one version.
func (c *creation) placeStock(config *configs.Config) (*place, error) {
	if len(c.req.Rootfs) == 0 {
		return &place{undo: func() {}}, nil
	}
	mounts := containerdMounts(c.req.Rootfs)
	if err := mount.All(mounts, config.Rootfs); err != nil {
		return nil, errors.Join(err, mount.UnmountMounts(mounts, config.Rootfs, 0))
	}
	c.stock = mounts
	return &place{undo: func() { _ = c.releaseStock() }}, nil
}

// releaseStock takes away what placeStock mounted.
func (c *Container) releaseStock() error {
	if c.stock == nil {
		return nil
	}
	mounts := c.stock
	c.stock = nil
	return mount.UnmountMounts(mounts, c.stockTarget(), 0)
}

func containerdMounts(in []rootfs.Mount) []mount.Mount {
	out := make([]mount.Mount, 0, len(in))
	for _, m := range in {
		out = append(out, mount.Mount{Type: m.Type, Source: m.Source, Target: m.Target, Options: m.Options})
	}
	return out
}
