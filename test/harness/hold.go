package harness

import (
	"errors"
	"syscall"
)

// HoldServices has tango's host service, and the shims that it has started beforehand,
// stand still until resume is called: what it does for containers to come is done for
// those of other runtimes, too, and would count as theirs. In somebody else's
// containerd, where others may need them, it does nothing.
func (n *Node) HoldServices() (resume func() error, _ error) {
	if n.lent != nil {
		return func() error { return nil }, nil
	}
	held, err := n.Services()
	if err != nil {
		return nil, err
	}
	return func() error { return signalAll(held, syscall.SIGCONT) }, signalAll(held, syscall.SIGSTOP)
}

// signalAll sends a signal to those that are still there.
func signalAll(all []Process, sig syscall.Signal) error {
	var errs []error
	for _, p := range all {
		if err := syscall.Kill(p.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
