package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tango/mounts/kernel"
	"tango/mounts/service"
	"tango/mounts/topology"
	"tango/rootfs"
)

// Order is a root filesystem to be built.
type Order struct {
	Plan rootfs.Plan
	// Way is how, see rootfs.Config.
	Way rootfs.Way
	// Node is where the work belongs.
	Node topology.NodeID
	// Turn is for how long at most the turn is needed then, to attach what was
	// built and for what follows.
	Turn time.Duration
	// Preparer takes over what was built, and builds if the service does not.
	Preparer *rootfs.Preparer
}

// Built is what came of an [Order].
type Built struct {
	Root *rootfs.Rootfs
	Turn *service.Lease // may be nil
	Here bool           // built in this process
}

// Build has the service build a root filesystem and lend the turn, or does both in
// this process: by its own workers if the client has any, else right here. The
// caller owns what is in the result. Errors are those of
// [rootfs.Preparer.Prepare], and the context's.
func Build(ctx context.Context, c *service.Client, o Order) (b Built, _ error) {
	own, err := standing()
	if err != nil {
		return b, err
	}
	req := request{standing: own, way: o.Way.String(), mounts: o.Plan.Mounts()}
	r, turn, err := c.DoAndLease(ctx, service.Request{Node: o.Node, Payload: req.encode()}, o.Turn,
		func(ctx context.Context) (service.Reply, error) {
			b.Here = true
			b.Root, err = o.here(ctx, c)
			return service.Reply{}, err
		})
	if err == nil && !b.Here {
		b.Root, err = adopt(o.Preparer, r)
	}
	if err != nil {
		turn.Release()
		return Built{}, closing(b.Root, err)
	}
	b.Turn = turn
	return b, nil
}

// closing is err, and closes what was built in vain, if anything.
func closing(root *rootfs.Rootfs, err error) error {
	if root != nil {
		err = errors.Join(err, root.Close())
	}
	return err
}

// here builds in this process.
func (o Order) here(ctx context.Context, c *service.Client) (*rootfs.Rootfs, error) {
	workers, err := c.Workers()
	if err != nil || workers == nil {
		return o.Preparer.Prepare(ctx, o.Plan)
	}
	return prepareOn(ctx, workers, o.Node, o.Preparer, o.Plan)
}

// adopt makes a root filesystem of a reply, whose files it takes over.
func adopt(p *rootfs.Preparer, r service.Reply) (*rootfs.Rootfs, error) {
	rep, err := decodeReply(r.Payload)
	var way rootfs.Way
	if err == nil {
		way, err = rootfs.ParseWay(rep.way)
	}
	if err == nil && (len(rep.targets) != len(r.Files) || len(r.Files) == 0) {
		err = errFields
	}
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("cannot use what the mount service built: %w", err)
	}
	trees := make([]rootfs.Tree, len(r.Files))
	for i, f := range r.Files {
		trees[i] = rootfs.Tree{Mount: kernel.AdoptMount(f), Target: rep.targets[i]}
	}
	return p.Adopt(trees, way, rep.locked), nil
}
