package mountns

import (
	"path/filepath"

	"tango/mounts/fault"
	"tango/mounts/kernel"
)

// enterCopy moves the calling thread into a copy of its mount namespace, which is
// made of the tree that its root shows where the kernel can (OPEN_TREE_NAMESPACE,
// Linux 7.0), else of the whole table, which is as good.
func enterCopy() error {
	if kernel.OpenTreeNamespace.Probe() == nil && enterTree() == nil {
		return nil
	}
	return kernel.UnshareNamespace()
}

func enterTree() error {
	ns, err := kernel.NamespaceFromTree(nil, "/", kernel.TreeRecursive)
	if err != nil {
		return err
	}
	defer ns.Close() // the thread holds it
	return ns.Enter()
}

// ForkHost is [Template.Fork] for the rare container that needs everything the
// host has mounted. It costs what copying the host's table costs.
//
// What the host mounts later shows in the copy as well. The other way round it
// depends: with an empty at, nothing in the copy ever shows on the host. Else only
// what is mounted on the mount that at lies on doesn't, which is for fill to attach
// things at; the others stay the peers of the host's, as runc has it.
func ForkHost(at string, fill func() error) (*kernel.Namespace, error) {
	return fork(kernel.UnshareNamespace, func() error {
		if err := keepOffHost(at); err != nil {
			return err
		}
		return fill()
	})
}

// keepOffHost makes the mount that at lies on, or all, the slave of the host's.
func keepOffHost(at string) error {
	if at == "" {
		return kernel.SetPropagation("/", kernel.Slave, true)
	}
	at, err := filepath.EvalSymlinks(at)
	if err != nil {
		return err
	}
	for ; at != "/"; at = filepath.Dir(at) {
		if root, err := IsMountPoint(at); err != nil {
			return err
		} else if root {
			break
		}
	}
	return kernel.SetPropagation(at, kernel.Slave, false)
}

// fork runs enter and then fill on a thread of its own, and returns the namespace
// that it is in by then.
func fork(enter, fill func() error) (ns *kernel.Namespace, _ error) {
	err := kernel.InNewThread(func() (err error) {
		if err = enter(); err != nil {
			return err
		}
		if err = fault.Point("fork.fill"); err != nil {
			return err
		}
		if err = fill(); err != nil {
			return err
		}
		if err = fault.Point("fork.hold"); err != nil {
			return err
		}
		ns, err = kernel.CurrentNamespace()
		return err
	})
	return ns, err
}
