package rootfs

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/containerd/log"

	"tango/mounts/kernel"

	"golang.org/x/sys/unix"
)

// stage is a mount namespace that only this process has, with nothing in it but
// an empty tmpfs, and one thread in there. Kernels that take an overlay's layers
// by path alone find them here; nothing of the host is held.
//
// Names in the stage are relative: its thread's working directory is the tmpfs.
type stage struct {
	queue *queue
	free  func(func()) bool // frees something later; false says that it takes no more
	log   *log.Entry
	last  int                // guarded by being on the stage's thread
	cpus  unix.CPUSetDynamic // that the thread may run on; likewise
}

// privateCopy gives the calling thread a mount namespace of its own.
func privateCopy() error {
	if err := kernel.UnshareNamespace(); err != nil {
		return err
	}
	return kernel.SetPropagation("/", kernel.Private, true)
}

// newStage starts the stage's thread; closing its queue ends it, and with it the
// namespace. What it frees goes through free.
func newStage(private func() error, free func(func()) bool, logger *log.Entry) (*stage, error) {
	s := &stage{queue: newQueue(), free: free, log: logger}
	ready := make(chan error, 1)
	// The thread ends with the function: it can never be what it was.
	go func() {
		_ = kernel.InNewThread(func() error { return s.serve(private, ready) }) // the error went to ready
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("cannot set up private mount namespace: %w", err)
	}
	return s, nil
}

// serve is the stage's thread.
func (s *stage) serve(private func() error, ready chan<- error) error {
	err := private()
	if err == nil {
		err = emptyNamespace()
	}
	s.cpus = ownCPUs()
	ready <- err
	if err == nil {
		s.queue.run()
	}
	return err
}

// emptyNamespace makes a tmpfs the calling thread's root and working directory,
// and lets go of everything else.
//
// A copy of /proc stays: calls that take their target by descriptor go through
// it (kernel.MountOn).
func emptyNamespace() error {
	proc, err := kernel.OpenTree(nil, "/proc", kernel.TreeClone)
	if err != nil {
		return err
	}
	defer proc.Close()
	c, err := kernel.OpenFS("tmpfs")
	if err != nil {
		return err
	}
	defer c.Close()
	tmpfs, err := c.Mount(kernel.AttrNoSuid | kernel.AttrNoDev | kernel.AttrNoExec)
	if err != nil {
		return err
	}
	defer tmpfs.Close()
	if err := tmpfs.Attach(nil, "/"); err != nil {
		return err
	}
	if err := unix.Fchdir(tmpfs.Fd()); err != nil {
		return fmt.Errorf("cannot enter private tmpfs: %w", err)
	}
	if err := kernel.PivotRoot(".", "."); err != nil {
		return err
	}
	// The old root lies on top of the new one now.
	if err := kernel.Unmount(".", kernel.UnmountDetach); err != nil {
		return err
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("cannot enter private tmpfs: %w", err)
	}
	if err := os.Mkdir("proc", 0o555); err != nil {
		return err
	}
	return proc.Attach(nil, "proc")
}

// do runs f on the stage's thread, where the calling one may run: a mount worker's
// is pinned to its NUMA node, and what it waits for belongs there, too.
func (s *stage) do(f func() error) error {
	err := ErrClosed
	cpus := ownCPUs()
	s.queue.call(func() {
		s.moveTo(cpus)
		err = f()
	})
	return err
}

// mostCPUs is what the largest kernels are built for.
const mostCPUs = 8192

// ownCPUs are those that the calling thread may run on; nil if the kernel doesn't say.
func ownCPUs() unix.CPUSetDynamic {
	set := unix.NewCPUSet(mostCPUs)
	if err := unix.SchedGetaffinityDynamic(0, set); err != nil {
		return nil
	}
	return set
}

// moveTo has the stage's thread run on these CPUs; it is only slower on others.
func (s *stage) moveTo(cpus unix.CPUSetDynamic) {
	if cpus == nil || slices.Equal(cpus, s.cpus) {
		return
	}
	if err := unix.SchedSetaffinityDynamic(0, cpus); err == nil {
		s.cpus = cpus
	}
}

// attach gives a detached mount a place in the stage. Only on its thread.
func (s *stage) attach(m *kernel.Mount) (name string, err error) {
	name, err = s.mkdir()
	if err != nil {
		return "", err
	}
	if err := m.Attach(nil, name); err != nil {
		os.Remove(name)
		return "", err
	}
	return name, nil
}

func (s *stage) mkdir() (string, error) {
	s.last++
	name := strconv.FormatInt(int64(s.last), 36)
	return name, os.Mkdir(name, 0o700)
}

// detach takes a mount out of the stage when nobody waits for mount work; when
// nothing is freed that way any more, when the thread has nothing else to do.
func (s *stage) detach(name string) {
	unmount := func() error {
		s.unmount(name)
		return nil
	}
	if !s.free(func() { _ = s.do(unmount) }) { // fails only where the stage is gone already
		s.queue.whenIdle(func() { s.unmount(name) })
	}
}

// unmount removes the directory, too, but only if it is empty: if the mount is still
// there, what it shows must not be touched.
func (s *stage) unmount(name string) {
	err := kernel.Unmount(name, kernel.UnmountDetach)
	if err == nil {
		err = unix.Rmdir(name)
	}
	if err != nil {
		s.log.WithError(err).Warn("cannot free a private layer mount before the process ends")
	}
}
