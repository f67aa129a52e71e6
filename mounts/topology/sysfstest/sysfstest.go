// Package sysfstest writes the part of sysfs that package topology reads, for
// tests of machines that are not at hand.
package sysfstest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tango/mounts/topology"
)

// CPU says where an online CPU is.
type CPU struct {
	Socket int
	// Siblings are the CPUs of the core, L3 those that share a level 3 cache,
	// as lists. Empty: there is no such file.
	Siblings, L3 string
}

// Node is a NUMA node.
type Node struct {
	CPUs     string // list
	MemoryMB int
	Distance string
}

// Machine is a machine.
type Machine struct {
	CPUs    map[int]CPU // the online ones
	Online  string      // list
	Present string      // list
	SMT     string      // smt/control
	Nodes   map[int]Node
	NodeSet string // list of online nodes
	// Files are more files by their path below the root of both filesystems,
	// which are at "sys" and "proc".
	Files map[string]string
}

// Write makes the machine's files in a directory of the test.
func Write(t testing.TB, m Machine) topology.Roots {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"sys/devices/system/cpu/online":      m.Online,
		"sys/devices/system/cpu/present":     m.Present,
		"sys/devices/system/cpu/smt/control": m.SMT,
		"sys/devices/system/node/online":     m.NodeSet,
	}
	for id, cpu := range m.CPUs {
		addCPU(files, "sys/devices/system/cpu/cpu"+strconv.Itoa(id)+"/", cpu)
	}
	var withCPUs []string
	for id, node := range m.Nodes {
		dir := "sys/devices/system/node/node" + strconv.Itoa(id) + "/"
		files[dir+"cpulist"] = node.CPUs
		if node.CPUs != "" {
			withCPUs = append(withCPUs, strconv.Itoa(id))
		}
		files[dir+"distance"] = node.Distance
		files[dir+"meminfo"] = fmt.Sprintf("Node %d MemTotal:       %d kB\nNode %d MemFree: 1 kB", id, node.MemoryMB<<10, id)
	}
	files["sys/devices/system/node/has_cpu"] = strings.Join(withCPUs, ",")
	for name, text := range m.Files {
		files[name] = text
	}
	for name, text := range files {
		write(t, filepath.Join(root, name), text)
	}
	return topology.Roots{Sys: filepath.Join(root, "sys"), Proc: filepath.Join(root, "proc")}
}

// addCPU has the caches in the usual order: L1 for data and instructions, L2, L3.
func addCPU(files map[string]string, dir string, cpu CPU) {
	files[dir+"topology/physical_package_id"] = strconv.Itoa(cpu.Socket)
	if cpu.Siblings != "" {
		files[dir+"topology/thread_siblings_list"] = cpu.Siblings
	}
	if cpu.L3 == "" {
		return
	}
	for i, level := range []string{"1", "1", "2", "3"} {
		index := fmt.Sprintf("%scache/index%d/", dir, i)
		files[index+"level"] = level
		files[index+"shared_cpu_list"] = cpu.L3
		files[index+"size"] = "32768K"
	}
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if text == "" {
		return
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
