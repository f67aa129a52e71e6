package topology

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// cpusetFiles are the names of the same two lists in both versions of cgroups.
// Those of v1 have an "effective" form since Linux 3.17.
type cpusetFiles struct{ cpus, mems string }

var (
	cpusetV1 = cpusetFiles{"cpuset.effective_cpus", "cpuset.effective_mems"}
	cpusetV2 = cpusetFiles{"cpuset.cpus.effective", "cpuset.mems.effective"}
)

// readLimits finds what the own cgroup may use: in the cpuset hierarchy of v1 if
// there is one, in that of v2 else. Without either there is no limit.
func (m *Machine) readLimits(roots Roots) error {
	m.limits = Limits{CPUs: m.online, Nodes: m.nodeIDs()}
	text, err := readOptional(roots.Proc, "self/cgroup")
	if err != nil {
		return err
	}
	v1, v2 := ownCgroups(text)
	mounted := filepath.Join(roots.Sys, "fs/cgroup")
	if v1 != "" {
		if found, err := m.readCpuset(filepath.Join(mounted, "cpuset"), v1, cpusetV1); found || err != nil {
			return err
		}
	}
	if v2 == "" {
		return nil
	}
	for _, mount := range []string{filepath.Join(mounted, "unified"), mounted} {
		if found, err := m.readCpuset(mount, v2, cpusetV2); found || err != nil {
			return err
		}
	}
	return nil
}

// ownCgroups finds the cgroup of v1's cpuset and that of v2 in the text of
// /proc/self/cgroup.
func ownCgroups(text string) (v1, v2 string) {
	for line := range strings.Lines(text) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, name, found := strings.Cut(rest, ":")
		switch {
		case !found:
		case slices.Contains(strings.Split(controllers, ","), "cpuset"):
			v1 = name
		case id == "0" && controllers == "":
			v2 = name
		}
	}
	return v1, v2
}

// readCpuset takes the limits from the named cgroup, or from the nearest one
// above it that has the controller.
func (m *Machine) readCpuset(mount, cgroup string, files cpusetFiles) (found bool, err error) {
	for dir := path.Join("/", cgroup); ; dir = path.Dir(dir) {
		cpus, err := readText(mount, dir, files.cpus)
		if err == nil && cpus != "" {
			return true, m.setLimits(cpus, filepath.Join(mount, dir, files.mems))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		if dir == "/" {
			return false, nil
		}
	}
}

func (m *Machine) setLimits(cpuList, memsFile string) error {
	cpus, err := ParseCPUSet(cpuList)
	if err != nil {
		return err
	}
	mems, err := readSet(memsFile)
	if err != nil {
		return err
	}
	m.limits.CPUs = cpus.Intersect(m.online)
	m.limits.Nodes = nil
	for id := range mems.All() {
		m.limits.Nodes = append(m.limits.Nodes, NodeID(id))
	}
	return nil
}
