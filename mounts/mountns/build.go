package mountns

import (
	"os"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
)

// build makes a namespace of clones of the fixed mounts and the holders.
func build(holders []string) (ns *kernel.Namespace, _ error) {
	points, err := mountPoints(holders)
	if err != nil {
		return nil, err
	}
	err = kernel.InNewThread(func() error {
		pieces, err := clonePieces(points)
		defer pieces.close()
		if err != nil {
			return err
		}
		if err := enterEmpty(pieces[0].tree); err != nil {
			return err
		}
		if err := kernel.SetPropagation("/", kernel.Private, true); err != nil {
			return err
		}
		if err := pieces[1:].attachPrivately(); err != nil {
			return err
		}
		ns, err = kernel.CurrentNamespace()
		return err
	})
	return ns, err
}

// clonePieces copies the mounts at points, each without what is mounted below.
func clonePieces(points []string) (pieces, error) {
	var ps pieces
	for _, at := range points {
		tree, err := kernel.OpenTree(nil, at, kernel.TreeClone)
		if err != nil {
			return ps, err
		}
		ps = append(ps, piece{tree, at})
	}
	return ps, nil
}

// enterEmpty moves the calling thread into a new namespace with nothing but root
// in it. OPEN_TREE_NAMESPACE (Linux 7.0) makes that without copying the host's
// table first; before, the copy is made and dropped.
func enterEmpty(root *kernel.Mount) error {
	if kernel.OpenTreeNamespace.Probe() == nil {
		ns, err := kernel.NamespaceFromTree(nil, "/", 0)
		if err != nil {
			return err
		}
		defer ns.Close()
		return ns.Enter()
	}
	if err := kernel.UnshareNamespace(); err != nil {
		return err
	}
	if err := kernel.SetPropagation("/", kernel.Private, true); err != nil {
		return err
	}
	return pivotTo(root)
}

// pivotTo makes root the root of the calling thread's namespace and drops all
// else. Where "/" is the initial ramfs, which cannot be pivoted away from, root
// stays on top of it: entering the namespace leads to the topmost mount.
func pivotTo(root *kernel.Mount) error {
	old, err := os.OpenFile("/", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer old.Close()
	if err := root.Attach(nil, "/"); err != nil {
		return err
	}
	if err := unix.Fchdir(root.Fd()); err != nil {
		return err
	}
	if err := kernel.PivotRoot(".", "."); err != nil {
		return unix.Chroot(".")
	}
	if err := unix.Fchdir(int(old.Fd())); err != nil {
		return err
	}
	if err := kernel.Unmount(".", kernel.UnmountDetach); err != nil {
		return err
	}
	return unix.Chdir("/")
}
