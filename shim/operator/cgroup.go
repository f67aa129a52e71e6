package operator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// Cgroups is how control groups are set up.
type Cgroups struct {
	// Version is "v2", "v1", "v1 and v2" (v1 has the controllers) or empty.
	Version string `json:"version"`
	// Systemd tells that systemd is the init, and so owner of the tree.
	Systemd bool `json:"systemd"`
	// FavorDynMods is what is known of the mount option favordynmods.
	FavorDynMods FavorDynMods `json:"favorDynMods"`
	// Mounts are the hierarchies.
	Mounts []CgroupMount `json:"mounts"`
}

// FavorDynMods says whether moving a process to a cgroup waits for an RCU grace
// period. All hierarchies share one lock (cgroup_threadgroup_rwsem), so the option
// on any of them settles it for all.
type FavorDynMods string

// The settings.
const (
	// FavorOn: it does not wait.
	FavorOn FavorDynMods = "on"
	// FavorOff: it waits, when no other has moved a moment before.
	FavorOff FavorDynMods = "off"
	// FavorNone: the kernel has no such option, and never waits: that came with
	// the option (Linux 6.0, commit 6a010a49b63a).
	FavorNone FavorDynMods = "none"
)

// CgroupMount is a mounted hierarchy.
type CgroupMount struct {
	Target string `json:"target"`
	Type   string `json:"type"` // cgroup or cgroup2
	// Flags are the mount's own options, Options the hierarchy's.
	Flags   []string `json:"flags"`
	Options []string `json:"options"`
}

const favorOption = "favordynmods"

func (h host) cgroups() (Cgroups, error) {
	mounts, err := h.cgroupMounts()
	if err != nil {
		return Cgroups{}, fmt.Errorf("cannot find out how cgroups are mounted: %w", err)
	}
	features, err := readOptional(filepath.Join(h.roots.Sys, "kernel/cgroup/features"))
	if err != nil {
		return Cgroups{}, fmt.Errorf("cannot find out what cgroups can do: %w", err)
	}
	init, err := readOptional(filepath.Join(h.roots.Proc, "1/comm"))
	if err != nil {
		return Cgroups{}, fmt.Errorf("cannot find out what the init is: %w", err)
	}
	return Cgroups{
		Version:      cgroupVersion(mounts),
		Systemd:      strings.TrimSpace(init) == "systemd",
		FavorDynMods: favorDynMods(features, mounts),
		Mounts:       mounts,
	}, nil
}

// cgroupMounts reads the mount table, once, for a person who asked: a shim must
// not, because readers queue with every mount call of the machine.
func (h host) cgroupMounts() ([]CgroupMount, error) {
	f, err := os.Open(filepath.Join(h.roots.Proc, "self/mountinfo"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	infos, err := mountinfo.GetMountsFromReader(f, mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, err
	}
	mounts := []CgroupMount{}
	for _, i := range infos {
		mounts = append(mounts, CgroupMount{
			Target: i.Mountpoint, Type: i.FSType,
			Flags: strings.Split(i.Options, ","), Options: strings.Split(i.VFSOptions, ","),
		})
	}
	return mounts, nil
}

func readOptional(file string) (string, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(b), err
}

func cgroupVersion(mounts []CgroupMount) string {
	has := func(fstype string) bool {
		return slices.ContainsFunc(mounts, func(m CgroupMount) bool { return m.Type == fstype })
	}
	switch {
	case has("cgroup") && has("cgroup2"):
		return "v1 and v2"
	case has("cgroup2"):
		return "v2"
	case has("cgroup"):
		return "v1"
	default:
		return ""
	}
}

func favorDynMods(features string, mounts []CgroupMount) FavorDynMods {
	if !slices.Contains(strings.Fields(features), favorOption) {
		return FavorNone
	}
	for _, m := range mounts {
		if slices.Contains(m.Options, favorOption) {
			return FavorOn
		}
	}
	return FavorOff
}

// v2 is the mount of the second version's hierarchy.
func (c Cgroups) v2() (CgroupMount, bool) {
	i := slices.IndexFunc(c.Mounts, func(m CgroupMount) bool { return m.Type == "cgroup2" })
	if i < 0 {
		return CgroupMount{}, false
	}
	return c.Mounts[i], true
}
