package topology

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// readNodes finds the NUMA nodes. A kernel without NUMA has no such directory.
func (m *Machine) readNodes(roots Roots) error {
	dir := filepath.Join(roots.Sys, "devices/system/node")
	online, err := readSet(dir, "online")
	if err != nil {
		return err
	}
	for id := range online.All() {
		n, err := m.readNode(dir, NodeID(id))
		if err != nil {
			return err
		}
		m.nodes = append(m.nodes, n)
	}
	if len(m.nodes) == 0 {
		return m.oneNode(roots)
	}
	for i := range m.nodes {
		if err := m.readDistances(dir, &m.nodes[i]); err != nil {
			return err
		}
	}
	return nil
}

// oneNode is a machine without NUMA.
func (m *Machine) oneNode(roots Roots) error {
	memory, err := readMemTotal(roots.Proc, "meminfo")
	m.nodes = []Node{{CPUs: m.online, Memory: memory}}
	return err
}

func (m *Machine) readNode(dir string, id NodeID) (Node, error) {
	name := nodeDir(dir, id)
	cpus, err := readSet(name, "cpulist")
	if err != nil {
		return Node{}, err
	}
	memory, err := readMemTotal(name, "meminfo")
	return Node{ID: id, CPUs: cpus.Intersect(m.online), Memory: memory}, err
}

func nodeDir(dir string, id NodeID) string {
	return filepath.Join(dir, "node"+strconv.Itoa(int(id)))
}

// readMemTotal finds the bytes of memory in a meminfo file: the machine's
// "MemTotal: 1 kB" or a node's "Node 0 MemTotal: 1 kB".
func readMemTotal(elem ...string) (uint64, error) {
	text, err := readOptional(elem...)
	if err != nil {
		return 0, err
	}
	_, after, found := strings.Cut(text, "MemTotal:")
	if !found {
		return 0, nil
	}
	var kib uint64
	if _, err := fmt.Sscanf(after, "%d kB", &kib); err != nil {
		return 0, fmt.Errorf("cannot read %s: %w", filepath.Join(elem...), err)
	}
	return kib << 10, nil
}

// readDistances reads a row of the firmware's table: one number for each online
// node, in ascending order.
func (m *Machine) readDistances(dir string, n *Node) error {
	file := filepath.Join(nodeDir(dir, n.ID), "distance")
	text, err := readOptional(file)
	if err != nil {
		return err
	}
	row := strings.Fields(text)
	if len(row) == 0 {
		return nil
	}
	if len(row) != len(m.nodes) {
		return fmt.Errorf("cannot read %s: %d distances to %d nodes", file, len(row), len(m.nodes))
	}
	n.distances = make(map[NodeID]int)
	for i, id := range m.nodeIDs() {
		if n.distances[id], err = strconv.Atoi(row[i]); err != nil {
			return fmt.Errorf("cannot read %s: %w", file, err)
		}
	}
	return nil
}
