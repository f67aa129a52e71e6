package topology_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"tango/mounts/topology"
	"tango/mounts/topology/sysfstest"
)

// describe renders all that is known of a machine, a fact a line.
func describe(m *topology.Machine) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("online %s", m.Online())
	line("offline %s", m.Offline())
	for _, n := range m.Nodes() {
		line("node %d cpus %s memory %d MB", n.ID, n.CPUs, n.Memory>>20)
		for _, to := range m.Nodes() {
			line("node %d to %d: %d", n.ID, to.ID, n.Distance(to.ID))
		}
	}
	for _, s := range m.Sockets() {
		line("socket %d cpus %s", s.ID, s.CPUs)
	}
	for _, c := range m.Cores() {
		line("core %s", c)
	}
	for _, c := range m.L3() {
		line("L3 %s of %d KB", c.CPUs, c.Size>>10)
	}
	line("smt %s", m.SMTControl())
	line("limits cpus %s nodes %v", m.Limits().CPUs, m.Limits().Nodes)
	return b.String()
}

func read(t *testing.T, m sysfstest.Machine) *topology.Machine {
	t.Helper()
	got, err := topology.Read(sysfstest.Write(t, m))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// check wants these lines among the facts.
func check(t *testing.T, m *topology.Machine, want ...string) {
	t.Helper()
	got := describe(m)
	for _, line := range want {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
}

func TestThisMachine(t *testing.T) {
	m, err := topology.Read(topology.Roots{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + describe(m))
	if n := m.Online().Len(); n < runtime.NumCPU() {
		t.Errorf("%d CPUs online, but %d may be used", n, runtime.NumCPU())
	}
	all := topology.CPUSet{}
	for _, group := range [][]topology.CPUSet{nodeSets(m), socketSets(m), m.Cores()} {
		n := 0
		for _, set := range group {
			n += set.Len()
			all = set.Minus(m.Online())
			if all.Len() != 0 {
				t.Errorf("%s is not online", all)
			}
		}
		if n != m.Online().Len() {
			t.Errorf("%v does not hold all CPUs once", group)
		}
	}
}

func nodeSets(m *topology.Machine) (sets []topology.CPUSet) {
	for _, n := range m.Nodes() {
		sets = append(sets, n.CPUs)
	}
	return sets
}

func socketSets(m *topology.Machine) (sets []topology.CPUSet) {
	for _, s := range m.Sockets() {
		sets = append(sets, s.CPUs)
	}
	return sets
}

func TestPlain(t *testing.T) {
	want := `online 0-1
offline 
node 0 cpus 0-1 memory 4096 MB
node 0 to 0: 10
socket 0 cpus 0-1
core 0
core 1
L3 0-1 of 32768 KB
smt notsupported
limits cpus 0-1 nodes [0]
`
	if got := describe(read(t, sysfstest.Plain())); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func TestTwoSockets(t *testing.T) {
	m := read(t, sysfstest.TwoSockets())
	check(t, m,
		"node 0 cpus 0-3,8-11 memory 131072 MB", "node 0 to 1: 21", "node 1 to 1: 10",
		"socket 0 cpus 0-3,8-11", "socket 1 cpus 4-7,12-15",
		"core 0,8", "core 7,15",
		"L3 0-3,8-11 of 32768 KB", "L3 4-7,12-15 of 32768 KB",
		"smt on", "limits cpus 0-15 nodes [0 1]")
	if len(m.Cores()) != 8 || len(m.L3()) != 2 {
		t.Errorf("%d cores, %d caches", len(m.Cores()), len(m.L3()))
	}
}

func TestChiplets(t *testing.T) {
	m := read(t, sysfstest.Chiplets())
	check(t, m, "socket 0 cpus 0-15", "L3 0-3 of 32768 KB", "L3 12-15 of 32768 KB", "node 1 cpus 8-15 memory 32768 MB")
	if len(m.L3()) != 4 || len(m.Sockets()) != 1 || len(m.Cores()) != 16 {
		t.Error(describe(m))
	}
}

func TestNodeWithoutCPUs(t *testing.T) {
	f := sysfstest.Plain()
	f.NodeSet = "0,2"
	f.Nodes[0] = sysfstest.Node{CPUs: "0-1", MemoryMB: 1024, Distance: "10 20"}
	f.Nodes[2] = sysfstest.Node{MemoryMB: 2048, Distance: "20 10"}
	check(t, read(t, f), "node 2 cpus  memory 2048 MB", "node 0 to 2: 20", "limits cpus 0-1 nodes [0 2]")
}

func TestNodeWithoutMemory(t *testing.T) {
	f := sysfstest.TwoSockets()
	f.Nodes[1] = sysfstest.Node{CPUs: "4-7,12-15", Distance: "21 10"}
	check(t, read(t, f), "node 1 cpus 4-7,12-15 memory 0 MB", "node 0 cpus 0-3,8-11 memory 131072 MB")
}

// With SMT turned off the second threads are offline: sysfs keeps neither their
// topology nor their caches.
func TestOfflineCPUs(t *testing.T) {
	f := sysfstest.TwoSockets()
	f.Online, f.SMT = "0-7", "off"
	for cpu := 8; cpu < 16; cpu++ {
		delete(f.CPUs, cpu)
	}
	for cpu := range 8 {
		c := f.CPUs[cpu]
		c.Siblings = fmt.Sprint(cpu)
		f.CPUs[cpu] = c
	}
	check(t, read(t, f), "online 0-7", "offline 8-15", "smt off", "socket 1 cpus 4-7", "core 0",
		"node 1 cpus 4-7 memory 131072 MB", "L3 4-7 of 32768 KB", "limits cpus 0-7 nodes [0 1]")
}

// CPUs that could be plugged in later, of which virtual machines have many, are
// not offline ones.
func TestPossibleCPUs(t *testing.T) {
	f := sysfstest.Plain()
	f.Files = map[string]string{"sys/devices/system/cpu/offline": "2-255", "sys/devices/system/cpu/possible": "0-255"}
	check(t, read(t, f), "offline ")
}

func TestMissingFiles(t *testing.T) {
	m := read(t, sysfstest.Machine{
		Online: "0-1",
		Files:  map[string]string{"proc/meminfo": "MemTotal:       2048 kB\nMemFree: 1 kB"},
	})
	want := `online 0-1
offline 
node 0 cpus 0-1 memory 2 MB
node 0 to 0: 0
socket -1 cpus 0-1
core 0
core 1
smt 
limits cpus 0-1 nodes [0]
`
	if got := describe(m); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

func TestNoCacheOfLevel3(t *testing.T) {
	f := sysfstest.Plain()
	f.CPUs = map[int]sysfstest.CPU{0: {}, 1: {}}
	f.Files = map[string]string{
		"sys/devices/system/cpu/cpu0/cache/index0/level": "1",
		"sys/devices/system/cpu/cpu0/cache/index1/level": "2",
	}
	if m := read(t, f); len(m.L3()) != 0 || len(m.Cores()) != 2 {
		t.Error(describe(m))
	}
}

func TestMachineDoesNotChange(t *testing.T) {
	m := read(t, sysfstest.TwoSockets())
	before := describe(m)
	m.Nodes()[0].Memory = 1
	m.Sockets()[0].ID = 7
	m.Cores()[0] = topology.CPUSet{}
	m.L3()[0].Size = 1
	m.Limits().Nodes[0] = 9
	if after := describe(m); after != before {
		t.Errorf("was\n%s, is\n%s", before, after)
	}
}

func TestNonsense(t *testing.T) {
	for file, text := range map[string]string{
		"sys/devices/system/cpu/online":                             "none",
		"sys/devices/system/cpu/present":                            "0-",
		"sys/devices/system/node/online":                            "x",
		"sys/devices/system/node/node0/cpulist":                     "1-0",
		"sys/devices/system/node/node0/distance":                    "10 20",
		"sys/devices/system/node/node0/meminfo":                     "Node 0 MemTotal: lots",
		"sys/devices/system/cpu/cpu0/topology/physical_package_id":  "first",
		"sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0;1",
		"sys/devices/system/cpu/cpu0/cache/index3/shared_cpu_list":  "?",
		"sys/devices/system/cpu/cpu0/cache/index3/size":             "big",
		"sys/devices/system/cpu/cpu0/cache/index3/level":            "high",
		"sys/fs/cgroup/cpuset.cpus.effective":                       "?",
		"sys/fs/cgroup/cpuset.mems.effective":                       "?",
	} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			f := sysfstest.Plain()
			f.Files = map[string]string{"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpuset.cpus.effective": "0"}
			roots := sysfstest.Write(t, f)
			if err := os.WriteFile(filepath.Join(roots.Sys, "..", file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if m, err := topology.Read(roots); err == nil {
				t.Errorf("no error, but\n%s", describe(m))
			}
		})
	}
}

func TestNoSysfs(t *testing.T) {
	if _, err := topology.Read(topology.Roots{Sys: t.TempDir(), Proc: "/proc"}); err == nil {
		t.Error("no error")
	}
}

func TestLimits(t *testing.T) {
	const (
		v1   = "4:memory:/m\n3:cpu,cpuset:/pods/own\n2:pids:/"
		v2   = "0::/pods/own"
		tree = "sys/fs/cgroup/"
	)
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no cgroups": {nil, "limits cpus 0-15 nodes [0 1]"},
		"v2": {map[string]string{
			"proc/self/cgroup":                      v2,
			tree + "pods/own/cpuset.cpus.effective": "0-3,99", tree + "pods/own/cpuset.mems.effective": "0",
			tree + "cpuset.cpus.effective": "0-15",
		}, "limits cpus 0-3 nodes [0]"},
		"v2, controller above": {map[string]string{
			"proc/self/cgroup":                  v2,
			tree + "pods/cpuset.cpus.effective": "4-7", tree + "pods/cpuset.mems.effective": "1",
		}, "limits cpus 4-7 nodes [1]"},
		"v2, outside the namespace": {map[string]string{
			"proc/self/cgroup":             "0::/../../x",
			tree + "cpuset.cpus.effective": "1", tree + "cpuset.mems.effective": "0-1",
		}, "limits cpus 1 nodes [0 1]"},
		"v2 beside v1": {map[string]string{
			"proc/self/cgroup":                      v2,
			tree + "unified/cpuset.cpus.effective":  "2",
			tree + "unified/cpuset.mems.effective":  "0",
			tree + "pods/own/cpuset.cpus.effective": "3",
		}, "limits cpus 2 nodes [0]"},
		"v1": {map[string]string{
			"proc/self/cgroup": v1 + "\n" + v2,
			tree + "cpuset/pods/own/cpuset.effective_cpus": "8-15", tree + "cpuset/pods/own/cpuset.effective_mems": "0-1",
		}, "limits cpus 8-15 nodes [0 1]"},
		"v1 not mounted": {map[string]string{"proc/self/cgroup": v1}, "limits cpus 0-15 nodes [0 1]"},
		"not a cgroup":   {map[string]string{"proc/self/cgroup": "nonsense\n1:"}, "limits cpus 0-15 nodes [0 1]"},
	} {
		t.Run(name, func(t *testing.T) {
			f := sysfstest.TwoSockets()
			f.Files = maps.Clone(c.files)
			check(t, read(t, f), c.want)
		})
	}
}

// TestReadNodes: less is read, and what is read is the same.
func TestReadNodes(t *testing.T) {
	for name, c := range map[string]struct {
		machine sysfstest.Machine
		several bool
	}{"two sockets": {sysfstest.TwoSockets(), true}, "plain": {sysfstest.Plain(), false}} {
		roots := sysfstest.Write(t, c.machine)
		whole := read(t, c.machine)
		m, err := topology.ReadNodes(roots)
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range whole.Nodes() {
			if got := m.Nodes()[i]; got.ID != n.ID || got.CPUs.String() != n.CPUs.String() || got.Memory != n.Memory {
				t.Errorf("%s: %+v, want %+v", name, got, n)
			}
		}
		if len(m.Cores()) != 0 || m.Limits().CPUs.String() != whole.Limits().CPUs.String() {
			t.Errorf("%s: cores %v, limits %+v", name, m.Cores(), m.Limits())
		}
		if topology.Several(roots) != c.several {
			t.Errorf("%s: several nodes: %t", name, !c.several)
		}
	}
	if topology.Several(topology.Roots{Sys: t.TempDir()}) {
		t.Error("a kernel without NUMA has several nodes")
	}
}
