package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/mounts/topology"
	"tango/test/harness"
)

// memoryNodes returns the machine's NUMA nodes that have memory.
func memoryNodes(t *testing.T) []int {
	t.Helper()
	data, err := os.ReadFile("/sys/devices/system/node/has_memory")
	if err != nil {
		t.Skip("THE PREMISE IS MISSING: this kernel knows no NUMA nodes, so they are NOT tested: ", err)
	}
	set, err := topology.ParseCPUSet(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(set.All())
}

// needsNodes returns at least two nodes that have memory.
func needsNodes(t *testing.T) []int {
	t.Helper()
	nodes := memoryNodes(t)
	if len(nodes) < 2 {
		t.Skipf("THE PREMISE IS MISSING: memory of only %d NUMA node, so a choice among nodes is NOT tested", len(nodes))
	}
	return nodes
}

// hog keeps some megabytes of memory until it ends.
var hog = sh("dd if=/dev/zero of=/dev/shm/hog bs=1M count=8 2>/dev/null; echo full; exec sleep 1000")

// pagesOn returns how many bytes of shared memory a container has on a node.
func pagesOn(t *testing.T, h *harness.Harness, c *harness.Container, node int) int64 {
	t.Helper()
	stat := cgroupValue(t, h, c, "memory", "memory.numa_stat", "memory.numa_stat")
	for line := range strings.Lines(stat) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "shmem" {
			continue
		}
		for _, f := range fields[1:] {
			var n int
			var bytes int64
			if _, err := fmt.Sscanf(f, "N%d=%d", &n, &bytes); err == nil && n == node {
				return bytes
			}
		}
	}
	return 0
}

// TestMemoryNodes gives a container the memory of one node, and then of another.
func TestMemoryNodes(t *testing.T) {
	nodes := needsNodes(t)
	h := newNode(t)
	first, last := nodes[0], nodes[len(nodes)-1]
	c := h.Run(harness.Spec{
		OCI:  edit(func(s *oci.Spec) { s.Linux.Resources.CPU = &specs.LinuxCPU{Mems: fmt.Sprint(last)} }),
		Args: hog,
	})
	h.Eventually("it has memory", func() bool { return c.Stdout.String() == "full\n" })
	expectOutput(t, h, c, fmt.Sprint(last), statusField("Mems_allowed_list")...)
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		if here, there := pagesOn(t, h, c, last), pagesOn(t, h, c, first); here < 8*mib || there != 0 {
			t.Errorf("%d bytes on node %d and %d on node %d, want all on the first", here, last, there, first)
		}
	}
	update := &specs.LinuxResources{CPU: &specs.LinuxCPU{Mems: fmt.Sprint(first)}}
	if err := c.Task.Update(h.Ctx(), containerd.WithResources(update)); err != nil {
		t.Fatal(err)
	}
	expectOutput(t, h, c, fmt.Sprint(first), statusField("Mems_allowed_list")...)
}

// TestMemoryNodeThatIsNot wants an error for a node that the machine has not, and for one
// that has no memory what runc gets: cgroup v1 refuses it, v2 gives what there is.
func TestMemoryNodeThatIsNot(t *testing.T) {
	h := newNode(t)
	if givesMemory(h, harness.Runtime(t), 63) {
		t.Error("memory of node 63 was given")
	}
	for _, n := range emptyNodes(t) {
		if got, want := givesMemory(h, harness.Runtime(t), n), givesMemory(h, harness.Stock, n); got != want {
			t.Errorf("memory of node %d was given: %t; by the stock shim: %t", n, got, want)
		}
	}
}

// givesMemory tells whether a container can be created with its memory on a node.
func givesMemory(h *harness.Harness, runtime string, node int) bool {
	c, err := h.Node.Create(h.Ctx(), harness.Spec{
		Runtime: runtime, OCI: edit(func(s *oci.Spec) { s.Linux.Resources.CPU = &specs.LinuxCPU{Mems: fmt.Sprint(node)} }),
	})
	if err != nil {
		return false
	}
	h.Delete(c)
	return true
}

// emptyNodes returns the nodes that have no memory.
func emptyNodes(t *testing.T) []int {
	t.Helper()
	dirs, err := filepath.Glob("/sys/devices/system/node/node[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	full := memoryNodes(t)
	var empty []int
	for _, d := range dirs {
		var n int
		if _, err := fmt.Sscanf(filepath.Base(d), "node%d", &n); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(full, n) {
			empty = append(empty, n)
		}
	}
	return empty
}

// TestMemoryPolicy asks for policies, and reads them from the mappings of the
// first process and of a further one.
func TestMemoryPolicy(t *testing.T) {
	nodes := memoryNodes(t)
	h := newNode(t)
	last := fmt.Sprint(nodes[len(nodes)-1])
	for _, test := range []struct {
		policy specs.LinuxMemoryPolicy
		want   string
	}{
		{specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: last}, "bind:" + last},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolPreferred, Nodes: last}, "prefer:" + last},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: last, Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}}, "interleave=static:" + last},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolLocal}, "local"},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolDefault}, "default"},
	} {
		t.Run(test.want, func(t *testing.T) {
			h := h.In(t)
			c := h.Run(harness.Spec{OCI: edit(func(s *oci.Spec) { s.Linux.MemoryPolicy = &test.policy })})
			var got string
			h.Eventually("the first process has a heap", func() bool { // it may not be the shell yet
				got = trimmed(h, c, sh("grep heap /proc/1/numa_maps | cut -d' ' -f2")...)
				return got != ""
			})
			if got != test.want {
				t.Errorf("policy %q, want %q", got, test.want)
			}
			h.Delete(c)
		})
	}
}

// TestCPUsOfANode gives a container the CPUs of one node, whose list is what the
// processes see.
func TestCPUsOfANode(t *testing.T) {
	nodes := needsNodes(t)
	h := newNode(t)
	list, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/node/node%d/cpulist", nodes[1]))
	if err != nil {
		t.Fatal(err)
	}
	cpus := strings.TrimSpace(string(list))
	c := h.Run(harness.Spec{OCI: []oci.SpecOpts{oci.WithCPUs(cpus), oci.WithCPUsMems(fmt.Sprint(nodes[1]))}})
	expectOutput(t, h, c, cpus, statusField("Cpus_allowed_list")...)
	expectOutput(t, h, c, fmt.Sprint(nodes[1]), statusField("Mems_allowed_list")...)
}

// TestMemoryNodeHasTheMountWork: the mount service builds a container's root by the
// worker of the node that the container's memory is to be on, and each of its workers
// is pinned to its node. That this keeps all mount calls there is what
// TestMountCallsComeFromTheTurnsNode of mounts/worker traces.
func TestMemoryNodeHasTheMountWork(t *testing.T) {
	needsNodes(t)
	h := newFreshNode(t)
	o := byService(t, h)
	service, end := supervisedService(t, h)
	defer end()
	built := func() (n map[int]uint64) {
		h.Eventually("an answer", func() bool { n = builtByNode(h); return len(n) > 0 })
		return n
	}
	for _, n := range homeNodes(t) {
		before, now := built(), map[int]uint64{}
		// On a machine that stands still now and then, a shim may lose its patience.
		h.Eventually("a root built by the service", func() bool {
			runOn(h, o, n)
			now = built()
			return !maps.Equal(now, before)
		})
		before[int(n.ID)] = now[int(n.ID)]
		if !maps.Equal(now, before) {
			t.Errorf("memory on node %d: roots were built by nodes %v, but for this one it should be %v", n.ID, now, before)
		}
		// The worker's and the lane's.
		if got := threadsOn(t, service, n.CPUs); got < 2 {
			t.Errorf("%d threads of the service are pinned to node %d's CPUs %s", got, n.ID, n.CPUs)
		}
	}
}

// threadsOn counts a process's threads that may run on these CPUs and no others.
func threadsOn(t *testing.T, pid int, cpus topology.CPUSet) (n int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		status, _ := os.ReadFile(file) // of a thread that may have ended
		if strings.Contains(string(status), "\nCpus_allowed_list:\t"+cpus.String()+"\n") {
			n++
		}
	}
	return n
}

// homeNodes are the nodes that have both memory and CPUs.
func homeNodes(t *testing.T) []topology.Node {
	t.Helper()
	m, err := topology.ReadNodes(topology.Roots{})
	if err != nil {
		t.Fatal(err)
	}
	full := memoryNodes(t)
	return slices.DeleteFunc(slices.Clone(m.Nodes()), func(n topology.Node) bool {
		return n.CPUs.Len() == 0 || !slices.Contains(full, int(n.ID))
	})
}

// runOn runs a container with its memory on a node, in a user namespace of its own.
func runOn(h *harness.Harness, options any, n topology.Node) {
	h.Delete(h.Run(harness.Spec{
		Options: options, Image: h.Image(5), UserNS: harness.NthUserNS(int(n.ID) + 1),
		OCI: []oci.SpecOpts{oci.WithCPUsMems(fmt.Sprint(n.ID))},
	}))
}
