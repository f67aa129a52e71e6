package worker

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/topology"
)

// errStray ends a thread that could not be brought back to where it belongs.
var errStray = errors.New("cannot bring the worker's thread back to its mount namespace")

// pin has the calling locked thread run on these CPUs only; on any if there are
// none in the set. It also gives the thread a root and working directory of its
// own, so that it can change mount namespaces. It is for threads that die.
func pin(cpus topology.CPUSet) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("cannot give a worker's thread its own root: %w", err)
	}
	last := -1
	for cpu := range cpus.All() {
		last = cpu
	}
	if last < 0 {
		return nil
	}
	set := unix.NewCPUSet(last + 1)
	for cpu := range cpus.All() {
		set.Set(cpu)
	}
	if err := unix.SchedSetaffinityDynamic(0, set); err != nil {
		return fmt.Errorf("cannot pin a worker's thread to CPUs %s: %w", cpus, err)
	}
	return nil
}

// home is the mount namespace that a worker's thread belongs in.
type home struct {
	ns *kernel.Namespace
}

// newHome remembers the calling thread's.
func newHome() (*home, error) {
	ns, err := kernel.CurrentNamespace()
	if err != nil {
		return nil, fmt.Errorf("cannot find the way back for a worker's thread: %w", err)
	}
	return &home{ns: ns}, nil
}

// restore brings the calling thread back, with the namespace's root as its root
// and working directory.
func (h *home) restore() error {
	if err := h.ns.Enter(); err != nil {
		return errors.Join(errStray, err)
	}
	return nil
}

func (h *home) close() { h.ns.Close() }

// currentCPU is the CPU that the calling thread runs on, at this moment; -1 if
// the kernel does not say.
func currentCPU() int {
	var cpu uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
		return -1
	}
	return int(cpu)
}
