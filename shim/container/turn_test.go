package container

import (
	"testing"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer/configs"

	"tango/mounts/topology"
	"tango/mounts/worker"
)

// TestHomeOf: a container's memory says where its mount work belongs; otherwise it is
// where this process runs, which some node of the machine is.
func TestHomeOf(t *testing.T) {
	withMems := func(mems string) *configs.Config {
		return &configs.Config{Cgroups: &cgroups.Cgroup{Resources: &cgroups.Resources{CpusetMems: mems}}}
	}
	for mems, want := range map[string]topology.NodeID{"0": 0, "3": 3, "1-2": 1, "2,5-6": 2} {
		if got := homeOf(withMems(mems)); got != want {
			t.Errorf("with cpuset.mems %q it is node %d, want %d", mems, got, want)
		}
	}
	m, err := topology.ReadNodes(topology.Roots{})
	if err != nil {
		t.Fatal(err)
	}
	nodes := map[topology.NodeID]bool{worker.AnyNode: true} // of a kernel that doesn't tell
	for _, n := range m.Nodes() {
		nodes[n.ID] = true
	}
	for _, config := range []*configs.Config{{}, {Cgroups: &cgroups.Cgroup{}}, withMems(""), withMems("x")} {
		if got := homeOf(config); !nodes[got] {
			t.Errorf("without a hint it is node %d, which there is not", got)
		}
	}
}
