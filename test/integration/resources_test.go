package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/containerd/cgroups/v3/cgroup1/stats"
	v2 "github.com/containerd/cgroups/v3/cgroup2/stats"
	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/containerd/typeurl/v2"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// cgroupValue reads a file of the container's cgroup: of a v1 controller, or of
// the v2 hierarchy where the machine has no v1 controllers.
func cgroupValue(t *testing.T, h *harness.Harness, c *harness.Container, controller, v1File, v2File string) string {
	t.Helper()
	for _, path := range []string{
		filepath.Join("/sys/fs/cgroup", controller, h.CgroupParent(), c.ID(), v1File),
		filepath.Join("/sys/fs/cgroup", h.CgroupParent(), c.ID(), v2File),
	} {
		if data, err := os.ReadFile(path); err == nil {
			return strings.TrimSpace(string(data))
		}
	}
	t.Fatalf("neither %s of controller %s nor %s is there", v1File, controller, v2File)
	return ""
}

const mib = 1 << 20

func pointer[T any](v T) *T { return &v }

// TestLimits wants the limits of the spec in the container's cgroup.
func TestLimits(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{OCI: []oci.SpecOpts{
		oci.WithMemoryLimit(64 * mib), oci.WithPidsLimit(33), oci.WithCPUCFS(50000, 100000), oci.WithCPUs("0"),
	}})
	for _, test := range []struct{ controller, v1, v2, want, wantV2 string }{
		{"memory", "memory.limit_in_bytes", "memory.max", "67108864", "67108864"},
		{"pids", "pids.max", "pids.max", "33", "33"},
		{"cpu", "cpu.cfs_quota_us", "cpu.max", "50000", "50000 100000"},
		{"cpuset", "cpuset.cpus", "cpuset.cpus", "0", "0"},
	} {
		if got := cgroupValue(t, h, c, test.controller, test.v1, test.v2); got != test.want && got != test.wantV2 {
			t.Errorf("%s: %q, want %q", test.controller, got, test.want)
		}
	}
}

// TestUpdate changes the limits of a running container.
func TestUpdate(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{OCI: []oci.SpecOpts{oci.WithMemoryLimit(64 * mib)}})
	resources := &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: pointer(int64(96 * mib))},
		Pids:   &specs.LinuxPids{Limit: pointer(int64(44))},
	}
	if err := c.Task.Update(h.Ctx(), containerd.WithResources(resources)); err != nil {
		t.Fatal(err)
	}
	if got := cgroupValue(t, h, c, "memory", "memory.limit_in_bytes", "memory.max"); got != "100663296" {
		t.Errorf("memory limit %s, want 100663296", got)
	}
	if got := cgroupValue(t, h, c, "pids", "pids.max", "pids.max"); got != "44" {
		t.Errorf("pids limit %s, want 44", got)
	}
	bad := &specs.LinuxResources{CPU: &specs.LinuxCPU{Cpus: "9999"}}
	if err := c.Task.Update(h.Ctx(), containerd.WithResources(bad)); err == nil {
		t.Error("a cpu that is not there was accepted")
	}
	expectOutput(t, h, c, "alive", "echo", "alive")
}

// TestStats wants counters that show what the container does.
func TestStats(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{Args: sh("sleep 1000 & i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; wait")})
	h.Eventually("it has computed", func() bool { return c.Stdout.String() == "done\n" })
	metric, err := c.Task.Metrics(h.Ctx())
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := typeurl.UnmarshalAny(metric.Data)
	if err != nil {
		t.Fatal(err)
	}
	var cpu, memory, pids uint64
	switch m := decoded.(type) {
	case *v1.Metrics:
		cpu, memory, pids = m.CPU.Usage.Total, m.Memory.Usage.Usage, m.Pids.Current
	case *v2.Metrics:
		cpu, memory, pids = m.CPU.UsageUsec, m.Memory.Usage, m.Pids.Current
	default:
		t.Fatalf("metrics of type %T", decoded)
	}
	if cpu == 0 || memory == 0 || pids != 2 {
		t.Errorf("cpu %d, memory %d, pids %d: want more than 0, more than 0, and 2", cpu, memory, pids)
	}
}

// TestOOM wants an event, and the exit of what the kernel has killed.
func TestOOM(t *testing.T) {
	h := newNode(t)
	seen := h.Record()
	// Reading zeroes without end into memory: tail keeps what may be the last line.
	c := h.Run(harness.Spec{OCI: []oci.SpecOpts{oci.WithMemoryLimit(16 * mib)}, Args: []string{"tail", "/dev/zero"}})
	if code := h.Wait(c); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
	h.Eventually("the event arrives", func() bool {
		for _, topic := range seen.Topics(c.ID()) {
			if topic == "/tasks/oom" {
				return true
			}
		}
		return false
	})
	h.Delete(c)
	h.CheckLeaks()
}

// limitTo are resources of so many MiB of memory.
func limitTo(size int64) *specs.LinuxResources {
	return &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: pointer(size * mib)}}
}
