package host

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"tango/shim/prelude"
)

// surroundings is what a process hands down to those it starts. A shim must have them
// from containerd, so the service starts shims only for those who have the same as
// itself. The namespaces are in the name of the service's socket, too; but who has come
// to the socket by another way, say out of a container that it was mounted in, would
// have its paths looked up here.
type surroundings struct{ cgroups, limits, users, mounts string }

// self is this process, as a directory of procfs.
const self = "self"

// surroundedAlike tells whether a process has the same as this one, at present: both
// may have been moved.
func surroundedAlike(pid int) bool {
	theirs, err := surroundingsOf(strconv.Itoa(pid))
	if err != nil {
		return false
	}
	ours, err := surroundingsOf(self)
	return err == nil && theirs == ours
}

func surroundingsOf(pid string) (s surroundings, err error) {
	dir := "/proc/" + pid + "/"
	cgroups, err := os.ReadFile(dir + "cgroup")
	if err != nil {
		return s, err
	}
	s.cgroups = string(cgroups)
	if s.limits, err = limitsOf(pid); err != nil {
		return s, err
	}
	for file, to := range map[string]*string{"ns/user": &s.users, "ns/mnt": &s.mounts} {
		if *to, err = os.Readlink(dir + file); err != nil {
			return s, err
		}
	}
	return s, nil
}

// limitsOf are the resource limits that a process hands down: what proc_pid_limits(5)
// says of it, but for a Go program's own limit of open files.
func limitsOf(pid string) (string, error) {
	data, err := os.ReadFile("/proc/" + pid + "/limits")
	if err != nil || pid != self {
		return string(data), err
	}
	const row = "Max open files            %-20d"
	limits := string(data)
	if i := strings.Index(limits, row[:strings.IndexByte(row, '%')]); i >= 0 {
		inherited := fmt.Sprintf(row, prelude.InheritedFiles())
		limits = limits[:i] + inherited + limits[min(len(limits), i+len(inherited)):]
	}
	return limits, nil
}
