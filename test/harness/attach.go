package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/errdefs"
)

// Existing is a containerd that runs already and is somebody else's.
type Existing struct {
	Address       string // of its socket
	Namespace     string // for everything that the node makes; nobody else's
	SystemdCgroup bool   // systemd makes the cgroups

	claimed bool // the namespace is this node's
}

// ownerLabel of a namespace names the process that it belongs to, as ownerFile does.
const ownerLabel = "tango.node/owner"

// Attach makes a node in an existing containerd. Everything that it makes there is in
// a namespace of its own, which Close takes away with all that it holds; containerd
// itself is never ended, nor any process outside that namespace. What a killed
// process has left in the namespace is taken away first; that of a living one is an
// error. Methods that are about the daemon (Restart, Stop, Family) must not be used.
func Attach(ctx context.Context, e Existing) (_ *Node, retErr error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("cannot run containers without root")
	}
	if _, err := os.Stat(e.Address); err != nil {
		return nil, fmt.Errorf("cannot find containerd's socket: %w", err)
	}
	sweepOnce.Do(func() { retErr = sweep() })
	if retErr != nil {
		return nil, retErr
	}
	dir, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		return nil, err
	}
	n := &Node{dir: dir, lent: &e, containers: make(map[string]*Container)}
	register(n)
	defer func() {
		if retErr != nil {
			retErr = errors.Join(retErr, n.Close())
		}
	}()
	if err := n.furnish(); err != nil {
		return nil, err
	}
	if err := n.connect(ctx); err != nil {
		return nil, err
	}
	return n, n.claim(ctx)
}

// claim makes the namespace, or takes over what a dead process has left.
func (n *Node) claim(ctx context.Context) error {
	by, err := owner()
	if err != nil {
		return n.disown(err)
	}
	all := n.Client().NamespaceService()
	err = all.Create(ctx, n.lent.Namespace, map[string]string{ownerLabel: by})
	if !errdefs.IsAlreadyExists(err) {
		n.lent.claimed = err == nil
		return err
	}
	labels, err := all.Labels(ctx, n.lent.Namespace)
	switch {
	case err != nil:
		return n.disown(fmt.Errorf("cannot look at namespace %s: %w", n.lent.Namespace, err))
	case labels[ownerLabel] == "":
		return n.disown(fmt.Errorf("cannot use containerd's namespace %s: somebody else has made it", n.lent.Namespace))
	case alive(labels[ownerLabel]):
		return n.disown(fmt.Errorf("cannot use containerd's namespace %s: process %s does", n.lent.Namespace, labels[ownerLabel]))
	}
	n.lent.claimed = true
	if err := all.SetLabel(ctx, n.lent.Namespace, ownerLabel, by); err != nil {
		return err
	}
	return n.Purge(ctx)
}

// disown keeps Close from looking at a namespace that is another's.
func (n *Node) disown(err error) error {
	if client := n.client.Swap(nil); client != nil {
		client.Close()
	}
	return err
}

// leave empties the namespace and takes it away. A containerd of the node's own needs
// nothing of that.
func (n *Node) leave(ctx context.Context) error {
	if n.lent == nil || !n.lent.claimed {
		return nil
	}
	ctx = n.Context(ctx)
	errs := []error{n.Purge(ctx), n.dropLeases(ctx), n.dropImages(ctx)}
	if err := n.Client().NamespaceService().Delete(ctx, n.lent.Namespace); err != nil && !errdefs.IsNotFound(err) {
		errs = append(errs, fmt.Errorf("cannot take away namespace %s: %w", n.lent.Namespace, err))
	}
	return errors.Join(errs...)
}

func (n *Node) dropLeases(ctx context.Context) error {
	held, err := n.Client().LeasesService().List(ctx)
	for _, l := range held {
		err = errors.Join(err, n.Client().LeasesService().Delete(ctx, l))
	}
	return err
}

// dropImages takes away all images of the namespace, and waits until their content
// and snapshots are gone, too.
func (n *Node) dropImages(ctx context.Context) error {
	all, err := n.Client().ImageService().List(ctx)
	for _, i := range all {
		err = errors.Join(err, n.Client().ImageService().Delete(ctx, i.Name, images.SynchronousDelete()))
	}
	return errors.Join(err, n.collect(ctx))
}

// collect has containerd's garbage collected: the end of a lease starts that, and is
// waited for.
func (n *Node) collect(ctx context.Context) error {
	l, err := n.Client().LeasesService().Create(ctx, leases.WithRandomID())
	if err != nil {
		return err
	}
	return n.Client().LeasesService().Delete(ctx, l, leases.SynchronousDelete)
}

// Services returns the processes that serve all shims of the host: tango's host
// service and the shims that it has started beforehand.
func (n *Node) Services() ([]Process, error) {
	all, err := everybody()
	if n.lent == nil {
		all, err = n.Processes()
	}
	var found []Process
	for _, p := range all {
		if IsService(p) && strings.Contains(p.Command, "containerd-shim-tango-v2") {
			found = append(found, p)
		}
	}
	return found, err
}
