package harness

import (
	"context"
	"errors"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/errdefs"
)

// Purge deletes every container that containerd knows, whatever state it is in
// and whoever made it: for tests that break things on purpose, also containerd.
func (n *Node) Purge(ctx context.Context) error {
	ctx = n.Context(ctx)
	all, err := n.Client().Containers(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range all {
		errs = append(errs, purge(ctx, c))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.containers)
	return nil
}

func purge(ctx context.Context, c containerd.Container) error {
	task, err := c.Task(ctx, nil)
	if err == nil {
		_, err = task.Delete(ctx, containerd.WithProcessKill)
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	if err := c.Delete(ctx, containerd.WithSnapshotCleanup); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}
