package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/log"
	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"tango/mounts/fault"
	"tango/mounts/kernel"
	"tango/mounts/mountns"
	"tango/shim/options"
)

// killTimeout is how long killed processes get to be gone, in the kernel.
const killTimeout = 10 * time.Second

// Lost is what a lost shim's container ended like.
type Lost struct {
	Pid  int
	Exit Exit
}

// CleanUp takes away what is left of a container whose shim is gone: processes,
// cgroups, state, mounts. What can't be done is logged, and the rest done.
func CleanUp(ctx context.Context, id, namespace, bundle string) (Lost, error) {
	opts, err := options.Load(bundle)
	if err != nil {
		return Lost{}, err
	}
	if err := fault.Point("cleanup.begin"); err != nil {
		return Lost{}, err
	}
	defer awaitOther(ctx, bundle)()
	root := stateRoot(bundle, namespace, opts)
	if r, err := loadExit(bundle); err == nil && isGone(root, id) {
		return r.lost(), nil // deleted in good order; containerd asks all the same
	}
	pid := destroyLost(ctx, id, bundle, root, opts)
	fault.Here("cleanup.state")
	if err := os.RemoveAll(filepath.Join(root, id)); err != nil {
		log.G(ctx).WithError(err).Warn("cannot remove the container's state")
	}
	fault.Here("cleanup.root")
	releaseHostRoot(ctx, filepath.Join(bundle, "rootfs"))
	return howItEnded(ctx, bundle, pid), nil
}

// awaitOther waits until nobody else cleans up after the container, and keeps others
// off until the returned function is called: the service may still be at it when the
// `delete` that has asked it gives it up and does the work itself. Of two at the same
// time, one would have answered, and the other might find the next container of that
// name.
func awaitOther(ctx context.Context, bundle string) (done func()) {
	dir, err := os.Open(bundle)
	if err == nil {
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			err = unix.Flock(int(dir.Fd()), unix.LOCK_EX)
		}
	}
	if err != nil {
		log.G(ctx).WithError(err).Warn("cannot lock the bundle while it is cleaned up")
	}
	return func() { _ = dir.Close() } // nothing to do if it was not opened
}

// destroyLost ends what libcontainer knows of the container, and returns the id of its
// first process, 0 if there is none known.
func destroyLost(ctx context.Context, id, bundle, root string, opts options.Config) (pid int) {
	fault.Here("cleanup.load")
	lc, err := libcontainer.Load(root, id)
	if err == nil {
		if state, err := lc.State(); err == nil {
			pid = state.InitProcessPid
		}
		destroyForced(lc)
		return pid
	}
	if !errors.Is(err, libcontainer.ErrNotExist) {
		log.G(ctx).WithError(err).Warn("cannot load the container's state")
	}
	// libcontainer has found the cgroup empty before it made a place for the
	// state. Without that place, what is in the cgroup is somebody else's.
	if !isGone(root, id) {
		destroyHalfMade(ctx, id, bundle, opts)
	}
	return 0
}

// howItEnded is what the shim has recorded, or else a kill; then that is recorded, so
// that whoever asks again is told the same.
func howItEnded(ctx context.Context, bundle string, pid int) Lost {
	if r, err := loadExit(bundle); err == nil {
		return r.lost()
	}
	lost := Lost{Pid: pid, Exit: Exit{Status: exitBySignal + int(unix.SIGKILL), At: time.Now()}}
	if pid > 0 {
		if err := saveExit(bundle, pid, lost.Exit); err != nil {
			log.G(ctx).WithError(err).Warn("cannot record how the container has ended")
		}
	}
	return lost
}

// isGone tells whether libcontainer keeps nothing of a container, any more or yet.
func isGone(root, id string) bool {
	_, err := os.Lstat(filepath.Join(root, id))
	return errors.Is(err, os.ErrNotExist)
}

// destroyForced kills all of a container and removes it.
func destroyForced(lc *libcontainer.Container) {
	if lc == nil {
		return
	}
	pid := 0
	if state, err := lc.State(); err == nil {
		pid = state.InitProcessPid
	}
	_ = lc.Resume() // a frozen process doesn't die
	_ = lc.Signal(unix.SIGKILL)
	awaitGone(pid)
	destroy(lc)
}

// destroyGivenUp is destroyForced for a container whose start has failed. If its first
// process could not even be executed (no memory for it, no directory for its root any
// more), libcontainer asks for its pid all the same, and panics: State, Resume and Signal
// would end the shim, with all the containers of its pod (containerProcess.pid,
// libcontainer 1.5.2).
func destroyGivenUp(lc *libcontainer.Container, first *libcontainer.Process) {
	if _, err := first.Pid(); err != nil {
		destroy(lc)
		return
	}
	destroyForced(lc)
}

// destroy removes a container that has no process any more.
func destroy(lc *libcontainer.Container) {
	if err := lc.Destroy(); err != nil {
		log.L.WithError(err).WithField("id", lc.ID()).Warn("cannot remove a container completely")
	}
}

// destroyHalfMade removes the cgroup, and the processes in it, of a container
// whose shim was lost before libcontainer had written its state.
func destroyHalfMade(ctx context.Context, id, bundle string, opts options.Config) {
	spec, err := loadSpec(bundle)
	if err != nil {
		return // it never had a spec: nothing was made
	}
	config, err := newConfig(id, bundle, spec, opts)
	if err != nil {
		return
	}
	cg, err := manager.New(config.Cgroups)
	if err != nil {
		return
	}
	killAll(cg)
	if err := cg.Destroy(); err != nil {
		log.G(ctx).WithError(err).Warn("cannot remove the cgroup of a half-made container")
	}
}

// killAll kills whatever is in the cgroup, in any hierarchy: libcontainer makes it in
// one after the other, and moves the process into each as soon as it is made.
func killAll(cg cgroups.Manager) {
	_ = cg.Freeze(cgroups.Thawed)
	var all []int
	for _, path := range cg.GetPaths() {
		pids, _ := cgroups.GetAllPids(path) // none where it was not made
		all = append(all, pids...)
	}
	for _, pid := range all {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	for _, pid := range all {
		awaitGone(pid)
	}
}

// awaitGone waits until a killed process, not necessarily a child, is gone or a
// zombie.
func awaitGone(pid int) {
	if pid <= 0 {
		return
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	deadline := time.Now().Add(killTimeout)
	for {
		left := int(time.Until(deadline).Milliseconds())
		if left <= 0 {
			return
		}
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, left)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// releaseHostRoot unmounts a root filesystem that had to be attached on the
// host. Mostly there is none: it went with the container's mount namespace.
func releaseHostRoot(ctx context.Context, path string) {
	if mounted, err := mountns.IsMountPoint(path); err != nil || !mounted {
		return
	}
	if err := kernel.Unmount(path, kernel.UnmountDetach|kernel.UnmountNoFollow); err != nil {
		log.G(ctx).WithError(err).Warn("cannot unmount the root filesystem")
	}
}
