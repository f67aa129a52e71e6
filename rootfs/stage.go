package rootfs

import (
	"fmt"
	"os"
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
	log   *log.Entry
	last  int // guarded by being on the stage's thread
}

// privateCopy gives the calling thread a mount namespace of its own.
func privateCopy() error {
	if err := kernel.UnshareNamespace(); err != nil {
		return err
	}
	return kernel.SetPropagation("/", kernel.Private, true)
}

// newStage starts the stage's thread; closing its queue ends it, and with it the
// namespace.
func newStage(private func() error, logger *log.Entry) (*stage, error) {
	s := &stage{queue: newQueue(), log: logger}
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

// do runs f on the stage's thread.
func (s *stage) do(f func() error) error {
	err := ErrClosed
	s.queue.call(func() { err = f() })
	return err
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

// detach takes a mount out of the stage when the thread has nothing else to do.
// The directory is removed only if empty: if the mount is still there, what it
// shows must not be touched.
func (s *stage) detach(name string) {
	s.queue.whenIdle(func() {
		err := kernel.Unmount(name, kernel.UnmountDetach)
		if err == nil {
			err = unix.Rmdir(name)
		}
		if err != nil {
			s.log.WithError(err).Warn("cannot free a private layer mount before the process ends")
		}
	})
}
