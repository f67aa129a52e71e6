package rootfs

import (
	"fmt"
	"slices"
	"strings"

	"tango/mounts/userns"
)

// Mapping says which owners a mount shows: container ids for host ids. It is
// never edited once parsed.
type Mapping struct {
	UIDs, GIDs []userns.IDMap
}

func (m Mapping) empty() bool { return len(m.UIDs) == 0 }

// String is the same for equal mappings, and different for different ones.
func (m Mapping) String() string {
	if m.empty() {
		return ""
	}
	return formatMap(m.UIDs) + "|" + formatMap(m.GIDs)
}

func (m Mapping) options() []string {
	if m.empty() {
		return nil
	}
	return []string{"uidmap=" + formatMap(m.UIDs), "gidmap=" + formatMap(m.GIDs)}
}

func formatMap(ranges []userns.IDMap) string {
	parts := make([]string, 0, len(ranges))
	for _, r := range ranges {
		parts = append(parts, fmt.Sprintf("%d:%d:%d", r.ContainerID, r.HostID, r.Size))
	}
	return strings.Join(parts, ",")
}

// parseMapping reads the values of uidmap= and gidmap=, nil for one not given.
// One without the other would give files wrong owners without a word.
func parseMapping(uids, gids *string) (Mapping, *OptionError) {
	switch {
	case uids == nil && gids == nil:
		return Mapping{}, nil
	case gids == nil:
		return Mapping{}, &OptionError{Option: "uidmap", Value: *uids, Problem: "comes without gidmap: give both or none"}
	case uids == nil:
		return Mapping{}, &OptionError{Option: "gidmap", Value: *gids, Problem: "comes without uidmap: give both or none"}
	}
	var m Mapping
	var err *OptionError
	if m.UIDs, err = parseRanges("uidmap", *uids); err != nil {
		return Mapping{}, err
	}
	if m.GIDs, err = parseRanges("gidmap", *gids); err != nil {
		return Mapping{}, err
	}
	return m, nil
}

func parseRanges(name, value string) ([]userns.IDMap, *OptionError) {
	ranges, err := userns.ParseMap(value)
	if err != nil {
		return nil, &OptionError{Option: name, Value: value, Problem: err.Error()}
	}
	if overlaps(ranges, func(r userns.IDMap) uint32 { return r.ContainerID }) {
		return nil, &OptionError{Option: name, Value: value, Problem: "maps a container id twice: keep its ranges apart"}
	}
	if overlaps(ranges, func(r userns.IDMap) uint32 { return r.HostID }) {
		return nil, &OptionError{Option: name, Value: value, Problem: "maps a host id twice: keep its ranges apart"}
	}
	return ranges, nil
}

// overlaps tells whether two ranges share an id.
func overlaps(ranges []userns.IDMap, first func(userns.IDMap) uint32) bool {
	sorted := slices.SortedFunc(slices.Values(ranges), func(a, b userns.IDMap) int {
		return int(int64(first(a)) - int64(first(b)))
	})
	var end uint64
	for _, r := range sorted {
		if uint64(first(r)) < end {
			return true
		}
		end = uint64(first(r)) + uint64(r.Size)
	}
	return false
}
