package userns

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// IDMap maps the Size IDs from ContainerID on, as seen inside of a user
// namespace, to those from HostID on in the namespace around it.
type IDMap struct {
	ContainerID, HostID, Size uint32
}

// String is the map in the form that [ParseMap] takes.
func (m IDMap) String() string {
	return fmt.Sprintf("%d:%d:%d", m.ContainerID, m.HostID, m.Size)
}

// maxExtents is how many maps one namespace takes
// (UID_GID_MAP_MAX_EXTENTS, Linux 4.15).
const maxExtents = 340

var (
	errNoMap    = errors.New("no ID map")
	errManyMaps = fmt.Errorf("more than %d ID maps", maxExtents)
)

// ParseMap reads "container:host:size", several of them parted by commas: the
// value of containerd's mount options uidmap= and gidmap=.
func ParseMap(s string) ([]IDMap, error) {
	if s == "" {
		return nil, errNoMap
	}
	if strings.Count(s, ",") >= maxExtents {
		return nil, errManyMaps
	}
	var maps []IDMap
	for part := range strings.SplitSeq(s, ",") {
		m, err := parseOne(part)
		if err != nil {
			return nil, fmt.Errorf("cannot parse ID map %q: %w", part, err)
		}
		maps = append(maps, m)
	}
	return maps, nil
}

func parseOne(s string) (IDMap, error) {
	fields := strings.Split(s, ":")
	if len(fields) != 3 {
		return IDMap{}, errors.New("want container:host:size")
	}
	var n [3]uint32
	for i, field := range fields {
		v, err := strconv.ParseUint(field, 10, 32)
		if err != nil {
			return IDMap{}, err
		}
		n[i] = uint32(v)
	}
	m := IDMap{ContainerID: n[0], HostID: n[1], Size: n[2]}
	return m, m.check()
}

// check refuses what the kernel would refuse, with a better word than EINVAL.
// The last ID, (uid_t)-1, stands for none and cannot be mapped.
func (m IDMap) check() error {
	if m.Size == 0 {
		return errors.New("size is 0")
	}
	if m.ContainerID > math.MaxUint32-m.Size || m.HostID > math.MaxUint32-m.Size {
		return errors.New("range passes the last ID")
	}
	return nil
}

// format writes maps as uid_map and gid_map files take them.
func format(maps []IDMap) ([]byte, error) {
	if len(maps) == 0 {
		return nil, errNoMap
	}
	if len(maps) > maxExtents {
		return nil, errManyMaps
	}
	var b []byte
	for _, m := range maps {
		if err := m.check(); err != nil {
			return nil, fmt.Errorf("cannot use ID map %s: %w", m, err)
		}
		b = fmt.Appendf(b, "%d %d %d\n", m.ContainerID, m.HostID, m.Size)
	}
	return b, nil
}
