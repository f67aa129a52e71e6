package host

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"tango/shim/prelude"
)

// surroundings is what a process hands down to those it starts. A shim must have them
// from containerd, so the service starts shims only for those who have the same as
// itself. The namespaces are in the name of the service's socket, too; but who has come
// to the socket by another way, say out of a container that it was mounted in, would
// have its paths looked up here.
type surroundings struct {
	cgroups, users, mounts string
	limits                 limits
}

// limits are resource limits by their numbers (getrlimit(2)), of which RTTIME is the last.
type limits [unix.RLIMIT_RTTIME + 1]unix.Rlimit

// surroundedAlike tells whether a process has the same as those that this one starts,
// at present: both may have been moved.
func surroundedAlike(pid int, own cgroup) bool {
	theirs, err := surroundingsOf(pid)
	if err != nil {
		return false
	}
	ours, err := surroundingsOf(os.Getpid())
	ours.cgroups = own.ofShims(ours.cgroups)
	return err == nil && theirs == ours
}

func surroundingsOf(pid int) (s surroundings, err error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	cgroups, err := os.ReadFile(dir + "cgroup")
	if err != nil {
		return s, err
	}
	s.cgroups = string(cgroups)
	for file, to := range map[string]*string{"ns/user": &s.users, "ns/mnt": &s.mounts} {
		if *to, err = os.Readlink(dir + file); err != nil {
			return s, err
		}
	}
	s.limits, err = limitsOf(pid)
	return s, err
}

// limitsOf are the resource limits that a process hands down. This one's own limit of
// open files is not what it hands down: package os has raised it.
func limitsOf(pid int) (l limits, _ error) {
	for resource := range l {
		if err := unix.Prlimit(pid, resource, nil, &l[resource]); err != nil {
			return l, fmt.Errorf("cannot read a resource limit of process %d: %w", pid, err)
		}
	}
	if pid == os.Getpid() {
		l[unix.RLIMIT_NOFILE].Cur = prelude.InheritedFiles()
	}
	return l, nil
}
