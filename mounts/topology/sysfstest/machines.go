package sysfstest

import (
	"fmt"
	"strconv"
)

// TwoSockets are 2 sockets of 4 cores with 2 threads each, one NUMA node and one
// L3 a socket, CPUs numbered as on Intel machines: first all first threads.
func TwoSockets() Machine {
	m := Machine{Online: "0-15", Present: "0-15", SMT: "on", NodeSet: "0-1", CPUs: make(map[int]CPU)}
	for cpu := range 16 {
		core := cpu % 8
		socket := core / 4
		first := socket * 4
		m.CPUs[cpu] = CPU{
			Socket:   socket,
			Siblings: fmt.Sprintf("%d,%d", core, core+8),
			L3:       fmt.Sprintf("%d-%d,%d-%d", first, first+3, first+8, first+11),
		}
	}
	m.Nodes = map[int]Node{
		0: {CPUs: "0-3,8-11", MemoryMB: 128 << 10, Distance: "10 21"},
		1: {CPUs: "4-7,12-15", MemoryMB: 128 << 10, Distance: "21 10"},
	}
	return m
}

// Chiplets are one socket of 16 cores without SMT in 2 NUMA nodes, with an L3
// for every 4 cores.
func Chiplets() Machine {
	m := Machine{Online: "0-15", Present: "0-15", SMT: "notsupported", NodeSet: "0-1", CPUs: make(map[int]CPU)}
	for cpu := range 16 {
		first := cpu / 4 * 4
		m.CPUs[cpu] = CPU{Siblings: strconv.Itoa(cpu), L3: fmt.Sprintf("%d-%d", first, first+3)}
	}
	m.Nodes = map[int]Node{
		0: {CPUs: "0-7", MemoryMB: 32 << 10, Distance: "10 12"},
		1: {CPUs: "8-15", MemoryMB: 32 << 10, Distance: "12 10"},
	}
	return m
}

// Plain is one socket of 2 cores with one cache, without SMT.
func Plain() Machine {
	return Machine{
		Online: "0-1", Present: "0-1", SMT: "notsupported", NodeSet: "0",
		CPUs:  map[int]CPU{0: {Siblings: "0", L3: "0-1"}, 1: {Siblings: "1", L3: "0-1"}},
		Nodes: map[int]Node{0: {CPUs: "0-1", MemoryMB: 4 << 10, Distance: "10"}},
	}
}
