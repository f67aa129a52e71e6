package harness

import (
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// UserNS is the mapping of a container's user namespace: one range for users
// and the same for groups, from container id 0 on.
type UserNS struct {
	HostID uint32 // first id on the host
	Size   uint32 // number of ids
}

// Ranges given out by NthUserNS.
const (
	firstUserNS = 1 << 20
	userNSSize  = 1 << 16
)

// NthUserNS returns the i-th of a row of mappings of 65,536 ids that do not
// overlap. There is room for 65,000 of them.
func NthUserNS(i int) *UserNS {
	return &UserNS{HostID: firstUserNS + uint32(i)*userNSSize, Size: userNSSize}
}

func (u *UserNS) mappings() []specs.LinuxIDMapping {
	return []specs.LinuxIDMapping{{ContainerID: 0, HostID: u.HostID, Size: u.Size}}
}

// UserNSOf returns the uid_map of a process in one line, "0 1048576 65536".
func UserNSOf(pid uint32) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", pid))
	return strings.Join(strings.Fields(string(data)), " "), err
}
