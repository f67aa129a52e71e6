package worker

import (
	"math"

	"tango/mounts/topology"
)

// AnyNode says that nothing is known about where work belongs: it goes to the
// node on which the caller runs.
const AnyNode topology.NodeID = -1

// choice finds the worker for a node.
type choice struct {
	nodes map[topology.NodeID]int
	byCPU map[int]int
}

// usable are the nodes with CPUs that the process may use, reduced to these, and
// the way from every node of the machine to the nearest of them.
func usable(m *topology.Machine) ([]topology.Node, choice) {
	c := choice{nodes: make(map[topology.NodeID]int), byCPU: make(map[int]int)}
	allowed := m.Limits().CPUs
	var nodes []topology.Node
	for _, n := range m.Nodes() {
		n.CPUs = n.CPUs.Intersect(allowed)
		if n.CPUs.Len() == 0 {
			continue
		}
		for cpu := range n.CPUs.All() {
			c.byCPU[cpu] = len(nodes)
		}
		nodes = append(nodes, n)
	}
	for _, n := range m.Nodes() {
		c.nodes[n.ID] = nearest(n, nodes)
	}
	return nodes, c
}

// nearest is the index of the node that is the least far from n.
func nearest(n topology.Node, nodes []topology.Node) int {
	best, least := 0, math.MaxInt
	for i, other := range nodes {
		if other.ID == n.ID {
			return i
		}
		if d := n.Distance(other.ID); d < least {
			best, least = i, d
		}
	}
	return best
}

// index is that of the worker for the node.
func (c choice) index(node topology.NodeID) int {
	if i, known := c.nodes[node]; known {
		return i
	}
	return c.byCPU[currentCPU()]
}
