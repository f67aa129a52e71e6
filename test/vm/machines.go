package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"tango/test/vm/job"
)

// machine is a row of the matrix: a guest, and why there is one like it.
type machine struct {
	job.Machine
	Why    string
	Short  bool     // part of the subset that every commit runs
	Groups []string // names of the test groups to run; nil is all
	Less   []string // ends of packages' names that it leaves to others
	Run    []string // the integration tests to run, as in -test.run; nil is all
	Append string   // more of the kernel's command line
}

// The integration tests of what differs between kernels and kinds of machine. The
// others run on the machine itself, and here when all are asked for, since an
// emulated containerd is slow.
var (
	// cgroupTests are those of what a container may use, and of what it did.
	cgroupTests = []string{
		"TestLifeCycle", "TestExecProcess", "TestPauseResume", "TestPids", "TestLimits", "TestUpdate", "TestStats", "TestOOM",
		"TestMemoryEvents", "TestPressure", "TestUnified.*", "TestOnlyUnified", "TestPod", "TestUserNS",
		"TestMemoryNodes", "TestCPUsOfANode", "TestHostServiceCgroup",
	}
	// mountTests are those of mounts, and of who makes them.
	mountTests = []string{"TestBind", "TestPropagationOut", "TestUserNSMounts", "TestMountService"}
	// nodeTests are those of what NUMA nodes are to a container.
	nodeTests = []string{
		"TestLifeCycle", "TestMemoryNodes", "TestMemoryNodeThatIsNot", "TestMemoryNodeHasTheMountWork", "TestMemoryPolicy",
		"TestCPUsOfANode", "TestMountService", "TestSupervisedMountService",
	}
	// kernelTests are those of what differs between kernels. What nodes are to a container is
	// seen on machines that have more of them.
	kernelTests = slices.Concat(cgroupTests, mountTests, []string{"TestMemoryPolicy"})
)

// betweenTests are those of the kernels between the oldest and the newest: one container's
// life, cgroups, mounts and user namespaces. What nodes are to a container is seen on
// variants with the same kernels.
var betweenTests = []string{
	"TestLifeCycle", "TestLimits", "TestStats", "TestOOM", "TestMemoryEvents", "TestPressure",
	"TestBind", "TestPropagationOut", "TestUserNS", "TestUserNSMounts",
}

// fewTests are what every commit runs.
var fewTests = slices.Concat(betweenTests, []string{"TestMemoryNodes", "TestMemoryPolicy", "TestMountService"})

// sameOnAll are packages that ask the kernel for nothing that differs, or need a compiler: the machine
// itself runs them, and a guest when all are asked for.
var sameOnAll = []string{
	"mounts/service", "mounts/topology", "shim/host", "shim/operator", "shim/options", "shim/prelude", "shim/rollout",
	"shim/stdio", "shim/task", "shim/telemetry",
}

// tableOfRoots is left to the plain machines: it asks the kernel, not the nodes. What
// the nodes' workers do with root filesystems is another package.
var tableOfRoots = []string{"rootfs"}

// leftOut are tests that the machine itself runs, and a guest when all are asked for, by
// group: the calls of the ways that older kernels have, what unpacks an image of 100
// layers, which takes an emulated containerd a minute and a half, and what is about a
// process outside of containers.
var leftOut = map[string][]string{"mountcost": {"TestCallsOfOlderWays", "TestManyLayers", "TestProcessOfTheHostInTheRootfs"}}

// machines returns all rows: every kernel on a machine of two nodes, and then
// one guest for each kind of machine that differs in more than its kernel.
func machines() []machine {
	var all []machine
	for i, k := range kernels {
		m := machine{Machine: plain(k.Version), Why: "a kernel of Debian's " + k.Suite, Run: kernelTests, Less: sameOnAll}
		m.Short = i == 0 || i == len(kernels)-1
		if !m.Short { // between two that run more, and its kernel is the variants', too
			m.Groups, m.Run = []string{"mounts", "rootfs", "integration"}, betweenTests
		}
		all = append(all, m)
	}
	return append(all, variants()...)
}

// plain is the machine that all others are variants of.
func plain(version string) job.Machine {
	return job.Machine{Name: version, Kernel: version, CPUs: 4, Nodes: 2, Threads: 1, Cgroup: 2}
}

// variants are the other kinds of machine. Each runs the groups that notice.
func variants() []machine {
	variant := func(version, name, why string, change func(*machine)) machine {
		m := machine{Machine: plain(version), Why: why, Run: kernelTests, Less: sameOnAll}
		m.Name = version + "-" + name
		change(&m)
		return m
	}
	return []machine{
		// Newer kernels of Debian have no memory controller in version 1.
		variant("6.1", "cgroup1", "controllers on cgroup v1 only", func(m *machine) {
			m.Cgroup = 1
			m.Groups, m.Run = []string{"integration"}, cgroupTests
		}),
		variant("6.12", "smt", "four nodes, two threads a core", func(m *machine) {
			m.CPUs, m.Nodes, m.Threads = 8, 4, 2
			m.Groups, m.Less, m.Run = []string{"mounts", "rootfs", "integration"}, tableOfRoots, nodeTests
		}),
		variant("7.2", "emptynode", "a node that has CPUs and no memory", func(m *machine) {
			m.CPUs, m.Nodes, m.EmptyNodes = 6, 3, 1
			m.Groups, m.Less, m.Run = []string{"mounts", "rootfs", "integration"}, tableOfRoots, nodeTests
		}),
		variant("6.12", "systemd", "systemd is PID 1 and owns the cgroups", func(m *machine) {
			m.Systemd = true
			m.Groups, m.Run = []string{"integration"}, slices.Concat(cgroupTests, []string{"TestSystemdCgroup", "TestUnits"})
		}),
		variant("7.3", "apparmor", "AppArmor confines containers", func(m *machine) {
			m.AppArmor = true
			m.Groups, m.Run = []string{"integration"}, []string{"TestLifeCycle", "TestExecProcess", "TestBind", "TestUserNSMounts", "TestAppArmor.*"}
		}),
		variant("6.12", "selinux", "SELinux labels containers and their files", func(m *machine) {
			m.SELinux, m.Append = true, "security=selinux selinux=1 audit=0"
			m.Groups, m.Run = []string{"integration"}, []string{"TestLifeCycle", "TestUserNS", "TestSELinux.*"}
		}),
	}
}

// choice is what the command line picks of the rows.
type choice struct {
	Kernel, Machine string // comma-separated; "" is all
	Nodes           int    // 0 is what the row says
	Short           bool
	All             bool // all tests, where a row leaves some out
}

// rows returns the rows that a choice picks. A number of nodes makes a machine
// of its own for each kernel instead, with two CPUs a node.
func (c choice) rows() ([]machine, error) {
	var picked []machine
	for _, m := range machines() {
		special := m.Name != m.Kernel
		switch {
		case !among(m.Kernel, c.Kernel), !among(m.Name, c.Machine),
			c.Nodes != 0 && special,
			c.Short && !m.Short:
			continue
		}
		if c.Nodes != 0 {
			m.Nodes, m.CPUs = c.Nodes, 2*c.Nodes
			m.Name = fmt.Sprintf("%s-%dnodes", m.Kernel, c.Nodes)
		}
		switch {
		case c.All:
			m.Groups, m.Less, m.Run = nil, nil, nil
		case c.Short:
			m.Run = fewTests
		}
		picked = append(picked, m)
	}
	if len(picked) == 0 {
		return nil, fmt.Errorf("no machine is like %+v; -list prints all", c)
	}
	return picked, nil
}

// among says whether a name is in a comma-separated list, or the list is empty.
func among(name, names string) bool {
	return names == "" || slices.Contains(strings.Split(names, ","), name)
}

// guestsAtOnce is how many guests run side by side by default: an emulated
// guest that tests one thing at a time keeps about one core busy.
func guestsAtOnce() int { return max(1, runtime.NumCPU()) }
