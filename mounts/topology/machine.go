package topology

import "slices"

// NodeID is the kernel's number of a NUMA node.
type NodeID int

// Machine is what the CPUs of a machine have in common. It never changes.
type Machine struct {
	online, offline CPUSet
	nodes           []Node
	sockets         []Socket
	cores           []CPUSet
	caches          []Cache
	smt             string
	limits          Limits
}

// Node is a NUMA node.
type Node struct {
	ID NodeID
	// CPUs are the node's online CPUs. A node of memory only has none.
	CPUs CPUSet
	// Memory is in bytes. A node of CPUs only has none.
	Memory uint64

	distances map[NodeID]int
}

// Distance is how far the other node's memory is, relative to the node's own,
// which is 10; 0 if the firmware does not tell.
func (n Node) Distance(to NodeID) int { return n.distances[to] }

// Socket is a physical package.
type Socket struct {
	// ID is the firmware's number, or -1 for the CPUs of which it gives none.
	ID   int
	CPUs CPUSet
}

// Cache is a level 3 cache.
type Cache struct {
	// CPUs share the cache.
	CPUs CPUSet
	// Size is in bytes, 0 if it is not told.
	Size uint64
}

// Limits are what the process's own cgroup may use.
type Limits struct {
	// CPUs are those of the cgroup's cpuset that are online.
	CPUs CPUSet
	// Nodes are those that memory may come from, in ascending order.
	Nodes []NodeID
}

// Online are the CPUs that run. All other sets hold online CPUs only.
func (m *Machine) Online() CPUSet { return m.online }

// Offline are CPUs that are there, but turned off.
func (m *Machine) Offline() CPUSet { return m.offline }

// Nodes are the online NUMA nodes in ascending order, at least one: a machine
// without NUMA is one node of everything.
func (m *Machine) Nodes() []Node { return slices.Clone(m.nodes) }

// Sockets are the packages with online CPUs, in order of their first CPU.
func (m *Machine) Sockets() []Socket { return slices.Clone(m.sockets) }

// Cores are the sets of SMT siblings, in order of their first CPU. CPUs without
// a sibling are sets of one.
func (m *Machine) Cores() []CPUSet { return slices.Clone(m.cores) }

// L3 are the level 3 caches, in order of their first CPU. There are none where
// neither firmware nor hypervisor tells.
func (m *Machine) L3() []Cache { return slices.Clone(m.caches) }

// SMTControl is what the kernel says about switching SMT: "on", "off",
// "forceoff", "notsupported" or "notimplemented"; empty before Linux 4.19.
func (m *Machine) SMTControl() string { return m.smt }

// Limits are those of the process's own cgroup at the time of [Read].
func (m *Machine) Limits() Limits {
	return Limits{CPUs: m.limits.CPUs, Nodes: slices.Clone(m.limits.Nodes)}
}

// nodeIDs are the ids of all nodes, ascending.
func (m *Machine) nodeIDs() []NodeID {
	ids := make([]NodeID, len(m.nodes))
	for i, n := range m.nodes {
		ids[i] = n.ID
	}
	return ids
}
