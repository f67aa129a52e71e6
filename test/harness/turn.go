package harness

import (
	"errors"
	"syscall"
)

// InTurn runs do, which measures containers of a runtime. While that is another than
// tango, tango's host service and the shims that it has started beforehand stand still:
// what it does for containers to come is done for all of the host, and would count as
// the other's. In somebody else's containerd, where others may need it, it goes on.
func (n *Node) InTurn(runtime string, do func() error) error {
	if runtime == Tango || n.lent != nil {
		return do()
	}
	held, err := n.Services()
	if err != nil {
		return err
	}
	defer func() { _ = signalAll(held, syscall.SIGCONT) }()
	return errors.Join(signalAll(held, syscall.SIGSTOP), do())
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
