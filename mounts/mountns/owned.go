package mountns

import (
	"errors"
	"fmt"
	"os"

	"tango/mounts/fault"
	"tango/mounts/kernel"
	"tango/mounts/userns"
)

// Owned is a mount namespace together with the user namespace that it belongs
// to. The caller closes it when the container's processes hold both.
type Owned struct {
	Mounts *kernel.Namespace
	User   *os.File
}

// ForkOwned is [Template.Fork] for a container with a user namespace of its own,
// which it makes as well: the copy belongs to that from the start, so that the
// template is copied once, where a container that joins a namespace of the host's
// and then takes its own copy has two made, and one thrown away.
//
// Nobody in the user namespace can take off, or change, what was copied from the
// template. What fill adds has no such locks: it must be nothing but filesystems
// made for this container.
func (t *Template) ForkOwned(uids, gids []userns.IDMap, fill func() error) (o *Owned, _ error) {
	err := kernel.InNewThread(func() (err error) {
		if err = t.ns.Enter(); err != nil {
			return err
		}
		if o, err = openOwned(uids, gids); err != nil {
			return err
		}
		if err = o.fill(fill); err != nil {
			err = errors.Join(err, o.Close())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// openOwned copies the calling thread's mount namespace.
func openOwned(uids, gids []userns.IDMap) (*Owned, error) {
	user, mounts, err := openPair(uids, gids)
	if err != nil {
		return nil, err
	}
	ns, err := kernel.AdoptNamespace(mounts)
	if err != nil {
		return nil, errors.Join(err, user.Close())
	}
	return &Owned{Mounts: ns, User: user}, nil
}

// openPair has the namespace made as enterCopy does: of a tree where the kernel can,
// else by clone(2), which makes both.
func openPair(uids, gids []userns.IDMap) (user, mounts *os.File, err error) {
	if kernel.OpenTreeNamespace.Probe() == nil {
		if user, mounts, err = userns.OpenWithTree(uids, gids); err == nil {
			return user, mounts, nil
		}
	}
	return userns.OpenWithMounts(uids, gids)
}

// fill moves the calling thread into the mount namespace and runs f.
func (o *Owned) fill(f func() error) error {
	if err := o.Mounts.Enter(); err != nil {
		return err
	}
	if err := fault.Point("owned.fill"); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return fault.Point("owned.hold")
}

// UserPath is a path by which other processes of the same PID namespace reach
// the user namespace for as long as this process holds it open.
func (o *Owned) UserPath() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), o.User.Fd())
}

// Close gives both namespaces up; a second call does nothing.
func (o *Owned) Close() error {
	if o.User == nil {
		return nil
	}
	err := errors.Join(o.Mounts.Close(), o.User.Close())
	o.User = nil
	return err
}
