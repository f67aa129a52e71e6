package topology

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// grouping collects sets of CPUs, in order of their first one.
type grouping struct {
	keys []string
	sets map[string]CPUSet
}

// add puts the CPU into the set with this key.
func (g *grouping) add(key string, cpu int) {
	if g.sets == nil {
		g.sets = make(map[string]CPUSet)
	}
	set, known := g.sets[key]
	if !known {
		g.keys = append(g.keys, key)
	}
	set.add(cpu)
	g.sets[key] = set
}

func cpuDir(roots Roots, cpu int) string {
	return filepath.Join(roots.Sys, "devices/system/cpu/cpu"+strconv.Itoa(cpu))
}

// readTopology groups the CPUs by socket and by core.
func (m *Machine) readTopology(roots Roots) error {
	var sockets, cores grouping
	for cpu := range m.online.All() {
		dir := filepath.Join(cpuDir(roots, cpu), "topology")
		socket, _, found, err := readNumber(dir, "physical_package_id")
		if err != nil {
			return err
		}
		if !found {
			socket = -1
		}
		sockets.add(strconv.FormatInt(socket, 10), cpu)
		// The old name of core_cpus_list (Linux 5.3), which all kernels have.
		siblings, err := readSet(dir, "thread_siblings_list")
		if err != nil {
			return err
		}
		if siblings.Len() == 0 {
			siblings.add(cpu)
		}
		cores.add(siblings.String(), cpu)
	}
	for _, key := range cores.keys {
		m.cores = append(m.cores, cores.sets[key])
	}
	for _, key := range sockets.keys {
		id, err := strconv.Atoi(key)
		if err != nil {
			return err
		}
		m.sockets = append(m.sockets, Socket{ID: id, CPUs: sockets.sets[key]})
	}
	return nil
}

// readCaches groups the CPUs by level 3 cache.
func (m *Machine) readCaches(roots Roots) error {
	var caches grouping
	sizes := make(map[string]uint64)
	for cpu := range m.online.All() {
		shared, size, err := readL3(filepath.Join(cpuDir(roots, cpu), "cache"))
		if err != nil {
			return err
		}
		if key := shared.String(); key != "" {
			caches.add(key, cpu)
			sizes[key] = size
		}
	}
	for _, key := range caches.keys {
		m.caches = append(m.caches, Cache{CPUs: caches.sets[key], Size: sizes[key]})
	}
	return nil
}

// readL3 finds the cache of level 3 among a CPU's. It is index3 on most
// machines, but the index counts caches, not levels.
func readL3(dir string) (shared CPUSet, size uint64, err error) {
	for i := 0; ; i++ {
		index := filepath.Join(dir, fmt.Sprintf("index%d", i))
		level, _, found, err := readNumber(index, "level")
		if err != nil || !found {
			return CPUSet{}, 0, err
		}
		if level != 3 {
			continue
		}
		if shared, err = readSet(index, "shared_cpu_list"); err != nil {
			return CPUSet{}, 0, err
		}
		n, unit, _, err := readNumber(index, "size")
		return shared, uint64(max(n, 0)) << shifts[unit], err
	}
}

// shifts are the units of a cache's size. The kernel writes all sizes in K.
var shifts = map[string]uint{"": 0, "K": 10, "M": 20, "G": 30}
