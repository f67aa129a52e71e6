package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// TestSystemdCgroup has systemd make the container's cgroup: a scope with limits,
// which goes with the container.
func TestSystemdCgroup(t *testing.T) {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		t.Skip("THE PREMISE IS MISSING: systemd does not run here, so its cgroup driver is NOT tested: ", err)
	}
	h := newNode(t)
	limit := int64(64 << 20)
	c := h.Run(harness.Spec{
		ID:      "scoped",
		Options: &options.Options{SystemdCgroup: true},
		OCI: edit(func(s *oci.Spec) {
			s.Linux.CgroupsPath = "system.slice:tango-test:scoped"
			s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit}
		}),
	})
	const scope = "/system.slice/tango-test-scoped.scope"
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.Task.Pid()))
	if err != nil || !strings.Contains(string(data), scope) {
		t.Errorf("cgroup %q, %v; want %s", data, err, scope)
	}
	if got, err := os.ReadFile("/sys/fs/cgroup" + scope + "/memory.max"); err != nil || strings.TrimSpace(string(got)) != fmt.Sprint(limit) {
		t.Errorf("memory.max %q, %v; want %d", got, err, limit)
	}
	if _, err := c.Task.Metrics(h.Ctx()); err != nil {
		t.Errorf("metrics: %v", err)
	}
	h.Delete(c)
	h.Eventually("the scope is gone", func() bool {
		_, err := os.Stat("/sys/fs/cgroup" + scope)
		return os.IsNotExist(err)
	})
}
