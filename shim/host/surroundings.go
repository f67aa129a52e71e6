package host

import (
	"os"
	"strconv"
)

// surroundings is what a process hands down to those it starts. A shim must have them
// from containerd, so the service starts shims only for those who have the same as
// itself. The namespaces are in the name of the service's socket, too; but who has come
// to the socket by another way, say out of a container that it was mounted in, would
// have its paths looked up here.
type surroundings struct{ cgroups, limits, users, mounts string }

// surroundedAlike tells whether a process has the same as this one, at present: both
// may have been moved.
func surroundedAlike(pid int) bool {
	theirs, err := surroundingsOf(strconv.Itoa(pid))
	if err != nil {
		return false
	}
	ours, err := surroundingsOf("self")
	return err == nil && theirs == ours
}

func surroundingsOf(pid string) (s surroundings, _ error) {
	dir := "/proc/" + pid + "/"
	for file, to := range map[string]*string{"cgroup": &s.cgroups, "limits": &s.limits} {
		data, err := os.ReadFile(dir + file)
		if err != nil {
			return s, err
		}
		*to = string(data)
	}
	var err error
	for file, to := range map[string]*string{"ns/user": &s.users, "ns/mnt": &s.mounts} {
		if *to, err = os.Readlink(dir + file); err != nil {
			return s, err
		}
	}
	return s, nil
}
