package main

import (
	"flag"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tango/mounts/topology"
)

// place says on which processors to measure; the zero value is not usable: see
// [place.flags].
type place struct {
	node, socket, cache int  // numbers; -1: any
	noSMT               bool // one processor of each core only
}

func (p *place) flags(fs *flag.FlagSet) {
	fs.IntVar(&p.node, "node", -1, "use the processors of this NUMA `node` only")
	fs.IntVar(&p.socket, "socket", -1, "use the processors of this `socket` only")
	fs.IntVar(&p.cache, "l3", -1, "use the processors at this level 3 `cache` only: 0 is the first of those in the machine's order")
	fs.BoolVar(&p.noSMT, "no-smt", false, "use one processor of each core only")
}

// everywhere reports whether nothing was asked for.
func (p place) everywhere() bool { return p.node < 0 && p.socket < 0 && p.cache < 0 && !p.noSMT }

// String names the place for people.
func (p place) String() string {
	text := ""
	for _, one := range []struct {
		name   string
		number int
	}{{"node", p.node}, {"socket", p.socket}, {"level 3 cache", p.cache}} {
		if one.number >= 0 {
			text += fmt.Sprintf("%s %d, ", one.name, one.number)
		}
	}
	if p.noSMT {
		text += "without SMT siblings, "
	}
	if text == "" {
		return "the whole machine"
	}
	return text[:len(text)-2]
}

// cpus are the processors of the place that this process may use.
func (p place) cpus(m *topology.Machine) (topology.CPUSet, error) {
	set := m.Online().Intersect(m.Limits().CPUs)
	for _, narrow := range []func(*topology.Machine, topology.CPUSet) (topology.CPUSet, error){p.onNode, p.onSocket, p.onCache} {
		var err error
		if set, err = narrow(m, set); err != nil {
			return set, err
		}
	}
	if p.noSMT {
		set = firstOfCores(m, set)
	}
	if set.Len() == 0 {
		return set, fmt.Errorf("cannot measure on %s: this process may use none of its processors", p)
	}
	return set, nil
}

func (p place) onNode(m *topology.Machine, set topology.CPUSet) (topology.CPUSet, error) {
	if p.node < 0 {
		return set, nil
	}
	var there []int
	for _, n := range m.Nodes() {
		if int(n.ID) == p.node {
			return set.Intersect(n.CPUs), nil
		}
		there = append(there, int(n.ID))
	}
	return set, fmt.Errorf("cannot use NUMA node %d: there are %v", p.node, there)
}

func (p place) onSocket(m *topology.Machine, set topology.CPUSet) (topology.CPUSet, error) {
	if p.socket < 0 {
		return set, nil
	}
	var there []int
	for _, s := range m.Sockets() {
		if s.ID == p.socket {
			return set.Intersect(s.CPUs), nil
		}
		there = append(there, s.ID)
	}
	return set, fmt.Errorf("cannot use socket %d: there are %v", p.socket, there)
}

func (p place) onCache(m *topology.Machine, set topology.CPUSet) (topology.CPUSet, error) {
	if p.cache < 0 {
		return set, nil
	}
	caches := m.L3()
	if p.cache >= len(caches) {
		return set, fmt.Errorf("cannot use level 3 cache %d: the machine tells of %d", p.cache, len(caches))
	}
	return set.Intersect(caches[p.cache].CPUs), nil
}

// firstOfCores leaves one processor of each core.
func firstOfCores(m *topology.Machine, set topology.CPUSet) topology.CPUSet {
	for _, core := range m.Cores() {
		first := true
		for cpu := range core.Intersect(set).All() {
			if !first {
				set = set.Minus(only(cpu))
			}
			first = false
		}
	}
	return set
}

// only is the set of one CPU.
func only(cpu int) topology.CPUSet {
	set, err := topology.ParseCPUSet(strconv.Itoa(cpu))
	if err != nil {
		panic(err) // a number is always a list
	}
	return set
}

// pin has the calling thread run on the place's processors, and all threads and
// programs that it starts.
func (p place) pin() error {
	if p.everywhere() {
		return nil
	}
	m, err := topology.Read(topology.Roots{})
	if err != nil {
		return err
	}
	set, err := p.cpus(m)
	if err != nil {
		return err
	}
	mask := unix.NewCPUSet(maxCPUs)
	for cpu := range set.All() {
		mask.Set(cpu)
	}
	if err := unix.SchedSetaffinityDynamic(0, mask); err != nil {
		return fmt.Errorf("cannot run on CPUs %s: %w", set, err)
	}
	return nil
}

// maxCPUs is the most that kernels are built for.
const maxCPUs = 8192

// allowed are the processors that the calling thread may run on.
func allowed() (topology.CPUSet, error) {
	mask := unix.NewCPUSet(maxCPUs)
	if err := unix.SchedGetaffinityDynamic(0, mask); err != nil {
		return topology.CPUSet{}, fmt.Errorf("cannot ask for the processors: %w", err)
	}
	var list []string
	for cpu := range maxCPUs {
		if mask.IsSet(cpu) {
			list = append(list, strconv.Itoa(cpu))
		}
	}
	return topology.ParseCPUSet(strings.Join(list, ","))
}
