package mountns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tango/mounts/fault"
	"tango/mounts/kernel"
	"tango/mounts/pidref"
)

// Template is a mount namespace that holds only what starting a container
// takes. It is private: it neither gets nor sends mount events.
type Template struct {
	ns         *kernel.Namespace
	root       *os.File // O_PATH, "/" in the namespace: lookups that start here see its mounts
	unregister func()
	registry   registry
}

// Open takes over the host's template from a running process, or makes it.
// runDir is tango's run directory; need are directories of the host that must
// show in the template, with the mounts that they are on. The caller closes it.
func Open(runDir string, need ...string) (*Template, error) {
	holders, err := holders(need)
	if err != nil {
		return nil, fmt.Errorf("cannot find the mounts for a template namespace: %w", err)
	}
	reg, err := openRegistry(runDir, holders)
	if err != nil {
		return nil, fmt.Errorf("cannot open the registry of template namespaces: %w", err)
	}
	if t := reg.find(need); t != nil {
		return t, nil
	}
	pidref.SweepAll(filepath.Dir(string(reg.dir)))
	if err := fault.Point("template.build"); err != nil {
		return nil, err
	}
	ns, err := build(holders)
	if err != nil {
		return nil, fmt.Errorf("cannot build a template mount namespace: %w", err)
	}
	t, err := newTemplate(ns)
	if err != nil {
		return nil, err
	}
	if err := fault.Point("template.register"); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	remove, err := reg.add(ns)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot register the template namespace: %w", err), t.Close())
	}
	t.unregister, t.registry = remove, reg
	return t, nil
}

// newTemplate takes ns over; it is closed on error.
func newTemplate(ns *kernel.Namespace) (*Template, error) {
	t := &Template{ns: ns, unregister: func() {}}
	err := kernel.InNewThread(func() (err error) {
		if err = ns.Enter(); err == nil {
			t.root, err = os.OpenFile("/", unix.O_PATH|unix.O_DIRECTORY, 0)
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot enter the template namespace: %w", err), ns.Close())
	}
	return t, nil
}

// Registry lists the template's holders.
func (t *Template) Registry() pidref.Dir { return t.registry.dir }

// File is the template's mount namespace, still owned by the Template.
func (t *Template) File() *os.File { return t.ns.File() }

// Enter moves the calling thread, which must be locked and not be used for anything
// else afterwards, into the template itself.
func (t *Template) Enter() error { return t.ns.Enter() }

// Fork makes a namespace that starts as a copy of the template. fill runs in it,
// on a thread of its own that dies afterwards. The caller closes the namespace;
// if no process has joined it by then, it goes away with all its mounts.
func (t *Template) Fork(fill func() error) (*kernel.Namespace, error) {
	return fork(func() error {
		if err := t.ns.Enter(); err != nil {
			return err
		}
		return enterCopy()
	}, fill)
}

// Close gives the template up. Namespaces forked from it live on.
func (t *Template) Close() error {
	t.unregister()
	return errors.Join(t.root.Close(), t.ns.Close())
}
