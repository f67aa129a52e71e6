package container

import (
	"context"
	"sync"

	"tango/mounts/topology"
	"tango/rootfs"
	"tango/rootfs/remote"
	"tango/shim/options"
)

// usesService tells whether the host's mount service is to build the root
// filesystem. On a machine of one NUMA node that is only done where it was asked
// for: there the shim's own thread is as good, and saves a call.
func (c *creation) usesService() bool {
	if len(c.req.Rootfs) == 0 || c.arm.Stock() {
		return false
	}
	switch c.opts.MountWork {
	case options.MountWorkService:
		return true
	case options.MountWorkShim:
		return false
	default:
		return severalNodes()
	}
}

// severalNodes is the machine's, which doesn't change.
var severalNodes = sync.OnceValue(func() bool { return topology.Several(topology.Roots{}) })

// buildRemotely has the service build the root filesystem and lend the turn for all
// that follows. Where it can't, both are done here.
func (c *creation) buildRemotely(ctx context.Context, p *rootfs.Preparer, plan rootfs.Plan) error {
	way, err := rootfs.ParseWay(c.rootfsWay())
	if err != nil {
		return err
	}
	built, err := remote.Build(ctx, c.rt.turns, remote.Order{
		Plan: plan, Way: way, Node: homeOf(c.config), Turn: longestTurn, Preparer: p,
	})
	if err != nil {
		return err
	}
	c.root, c.turn = built.Root, built.Turn
	c.noteService(built.Here)
	return nil
}
