package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// closeTimeout bounds how long Close waits for containerd to delete containers.
var closeTimeout = patient(3 * time.Minute)

// nodes are those not closed yet, for CloseAll.
var nodes = struct {
	sync.Mutex
	open map[*Node]bool
}{open: make(map[*Node]bool)}

func register(n *Node) {
	nodes.Lock()
	defer nodes.Unlock()
	nodes.open[n] = true
}

// unregister reports whether the node was open, so that only one closes it.
func unregister(n *Node) bool {
	nodes.Lock()
	defer nodes.Unlock()
	was := nodes.open[n]
	delete(nodes.open, n)
	return was
}

// CloseAll closes every node of this process: for signal handlers.
func CloseAll() error {
	nodes.Lock()
	open := slices.Collect(maps.Keys(nodes.open))
	nodes.Unlock()
	var errs []error
	for _, n := range open {
		errs = append(errs, n.Close())
	}
	return errors.Join(errs...)
}

// DeleteAll deletes every container that was made through the node and still exists.
func (n *Node) DeleteAll(ctx context.Context) error {
	n.mu.Lock()
	left := slices.Collect(maps.Values(n.containers))
	n.mu.Unlock()
	var errs []error
	for _, c := range left {
		errs = append(errs, c.Delete(ctx))
	}
	return errors.Join(errs...)
}

// Close deletes all containers, ends containerd and takes away everything, with
// force where it must be. It reports what could not be taken away. A second
// Close does nothing.
func (n *Node) Close() error {
	if !unregister(n) {
		return nil
	}
	var errs []error
	if n.Client() != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		errs = append(errs, n.DeleteAll(ctx))
		if _, err := n.Settle(ctx); err != nil {
			errs = append(errs, err)
		}
		errs = append(errs, n.leave(ctx))
	}
	errs = append(errs, n.Stop(), n.destroy())
	return errors.Join(errs...)
}

// destroy takes away what is there, whoever made it, and asks nobody.
func (n *Node) destroy() error {
	if err := n.killAll(); err != nil {
		return err
	}
	if err := n.unmountAll(); err != nil {
		return err
	}
	if err := n.removeCgroups(); err != nil {
		return err
	}
	// Nothing is mounted below it any more: unmountAll has looked.
	return os.RemoveAll(n.dir)
}

// politely is how long host services, and shims in somebody else's containerd, may take to
// end by themselves: killed, they would leave cgroups, and sockets.
const politely = 3 * time.Second

// killAll kills the node's processes and waits until they are gone.
func (n *Node) killAll() error {
	began := time.Now()
	for {
		left, err := n.Processes()
		if err != nil || len(left) == 0 {
			return err
		}
		for _, p := range left {
			sig := syscall.SIGKILL
			if (n.lent != nil || IsService(p)) && time.Since(began) < patient(politely) {
				sig = syscall.SIGTERM
			}
			if err := syscall.Kill(p.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("cannot kill process %d (%s): %w", p.PID, p.Command, err)
			}
		}
		if time.Since(began) > settleTimeout {
			return fmt.Errorf("process %d (%s) does not end after SIGKILL", left[0].PID, left[0].Command)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// unmountAll unmounts what is mounted below the node's directory on the host,
// the last mounted first.
func (n *Node) unmountAll() error {
	entries, err := mountinfo("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(entries) {
		if len(m.point) <= len(n.dir) || m.point[:len(n.dir)+1] != n.dir+"/" {
			continue
		}
		if err := syscall.Unmount(m.point, syscall.MNT_DETACH); err != nil {
			return fmt.Errorf("cannot unmount %s: %w", m.point, err)
		}
	}
	return nil
}
