package operator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"tango/mounts/topology"
)

// Machine is the hardware, as the kernel or a hypervisor tells it.
type Machine struct {
	// Virtual tells that a hypervisor decides what is seen.
	Virtual bool `json:"virtual"`
	// Online and Offline are lists of CPUs, like all CPUs here.
	Online  string   `json:"online"`
	Offline string   `json:"offline,omitempty"`
	Nodes   []Node   `json:"nodes"`
	Sockets []Socket `json:"sockets"`
	L3      []Cache  `json:"l3"`
	// Cores counts sets of SMT siblings, Threads the siblings of the largest.
	Cores   int `json:"cores"`
	Threads int `json:"threadsPerCore"`
	// SMT is the kernel's switch: "on", "off", "forceoff", "notsupported" or
	// "notimplemented".
	SMT string `json:"smtControl,omitempty"`
	// AllowedCPUs and AllowedNodes are the limits of this command's own cgroup.
	AllowedCPUs  string            `json:"allowedCPUs"`
	AllowedNodes []topology.NodeID `json:"allowedNodes"`
	// Contention is what the hardware means for contended mount work.
	Contention Contention `json:"contention"`
}

// Node is a NUMA node.
type Node struct {
	ID   topology.NodeID `json:"id"`
	CPUs string          `json:"cpus"`
	// Memory is in bytes.
	Memory uint64 `json:"memory"`
	// Distances are those to all nodes, in order; empty if not told.
	Distances []int `json:"distances,omitempty"`
}

// Socket is a physical package.
type Socket struct {
	ID   int    `json:"id"`
	CPUs string `json:"cpus"`
}

// Cache is a level 3 cache; Size is in bytes.
type Cache struct {
	CPUs string `json:"cpus"`
	Size uint64 `json:"size"`
}

func (h host) machine() (Machine, error) {
	t, err := topology.Read(h.roots)
	if err != nil {
		return Machine{}, err
	}
	virtual, err := h.virtual()
	if err != nil {
		return Machine{}, err
	}
	limits := t.Limits()
	m := Machine{
		Virtual: virtual, SMT: t.SMTControl(),
		Online: t.Online().String(), Offline: t.Offline().String(),
		Nodes: nodes(t), Sockets: []Socket{}, L3: []Cache{}, Cores: len(t.Cores()),
		AllowedCPUs: limits.CPUs.String(), AllowedNodes: limits.Nodes,
	}
	for _, s := range t.Sockets() {
		m.Sockets = append(m.Sockets, Socket{ID: s.ID, CPUs: s.CPUs.String()})
	}
	for _, c := range t.Cores() {
		m.Threads = max(m.Threads, c.Len())
	}
	for _, c := range t.L3() {
		m.L3 = append(m.L3, Cache{CPUs: c.CPUs.String(), Size: c.Size})
	}
	m.Contention = contention(m)
	return m, nil
}

func nodes(t *topology.Machine) []Node {
	list := []Node{}
	all := t.Nodes()
	for _, n := range all {
		node := Node{ID: n.ID, CPUs: n.CPUs.String(), Memory: n.Memory}
		for _, to := range all {
			if d := n.Distance(to.ID); d > 0 {
				node.Distances = append(node.Distances, d)
			}
		}
		list = append(list, node)
	}
	return list
}

// hypervisorFlag is a CPU flag that x86 hypervisors show to their guests.
var hypervisorFlag = regexp.MustCompile(`(?m)^flags\s*:.*\bhypervisor\b`)

// virtual tells whether this is known to be a virtual machine.
func (h host) virtual() (bool, error) {
	text, err := os.ReadFile(filepath.Join(h.roots.Proc, "cpuinfo"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("cannot find out about a hypervisor: %w", err)
	}
	return hypervisorFlag.Match(text), nil
}
