package host

import (
	"os"
	"strconv"
)

// surroundings is what a process hands down to those it starts, apart from its
// namespaces. A shim must have them from containerd, so the service starts shims
// only for those who have the same as itself.
type surroundings struct{ cgroups, limits string }

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
	for file, to := range map[string]*string{"cgroup": &s.cgroups, "limits": &s.limits} {
		data, err := os.ReadFile("/proc/" + pid + "/" + file)
		if err != nil {
			return s, err
		}
		*to = string(data)
	}
	return s, nil
}
