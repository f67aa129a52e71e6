package integration

import (
	"strings"
	"testing"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// failures are specs that cannot be run, by the step that fails.
var failures = []struct {
	name   string
	spec   harness.Spec
	expect string // must be in the error
}{
	{"program missing", harness.Spec{Args: []string{"/nosuchprogram"}}, "nosuchprogram"},
	{"program not executable", harness.Spec{Args: []string{"/etc/passwd"}}, "permission denied"},
	{"root filesystem type", harness.Spec{Task: []containerd.NewTaskOpts{
		containerd.WithRootFS([]mount.Mount{{Type: "nosuchfs", Source: "none"}}),
	}}, "nosuchfs"},
	{"root filesystem layer", harness.Spec{Task: []containerd.NewTaskOpts{
		containerd.WithRootFS([]mount.Mount{{Type: "overlay", Source: "overlay", Options: []string{"lowerdir=/nosuchlayer:/nosuchbase"}}}),
	}}, ""},
	{"bind source", harness.Spec{OCI: withMounts(bind("/nosuchsource", "/mnt"))}, "nosuchsource"},
	{"cgroup limit", harness.Spec{OCI: []oci.SpecOpts{oci.WithCPUs("9999")}}, ""},
	{"hook", harness.Spec{OCI: edit(func(s *oci.Spec) {
		s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/false"}}}
	})}, "hook"},
	{"namespace", harness.Spec{OCI: []oci.SpecOpts{
		oci.WithLinuxNamespace(specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: "/nosuchnamespace"}),
	}}, "nosuchnamespace"},
	{"namespace of another kind", harness.Spec{OCI: []oci.SpecOpts{
		oci.WithLinuxNamespace(specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: "/proc/self/ns/uts"}),
	}}, ""},
	{"sysctl", harness.Spec{OCI: edit(func(s *oci.Spec) {
		s.Linux.Sysctl = map[string]string{"net.nosuchsysctl": "1"}
	})}, "nosuchsysctl"},
	{"device", harness.Spec{OCI: edit(func(s *oci.Spec) {
		s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{Path: "/dev/odd", Type: "x", Major: 1, Minor: 3})
	})}, ""},
	{"seccomp", harness.Spec{OCI: edit(func(s *oci.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_NOSUCH"}
	})}, "SCMP_ACT_NOSUCH"},
	{"rlimit", harness.Spec{OCI: edit(func(s *oci.Spec) {
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOSUCH", Soft: 1, Hard: 1}}
	})}, "RLIMIT_NOSUCH"},
}

// TestCreateFails wants a clear error from each step that can fail, and nothing
// left behind by it, in and without a user namespace.
func TestCreateFails(t *testing.T) {
	h := newNode(t)
	for _, test := range failures {
		for name, userNS := range map[string]*harness.UserNS{"plain": nil, "userns": harness.NthUserNS(1)} {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				h := h.In(t)
				spec := test.spec
				spec.UserNS = userNS
				_, err := h.Node.Run(h.Ctx(), spec)
				if err == nil {
					t.Fatal("the container runs")
				}
				if !strings.Contains(err.Error(), test.expect) {
					t.Errorf("the error does not say %q: %v", test.expect, err)
				}
				h.CheckLeaks()
			})
		}
	}
	c := h.Run(harness.Spec{})
	expectOutput(t, h, c, "alive", "echo", "alive")
}

// TestCreateFailsAgain wants a container that could not be created to be
// creatable under the same id once the cause is gone.
func TestCreateFailsAgain(t *testing.T) {
	h := newNode(t)
	if _, err := h.Node.Run(h.Ctx(), harness.Spec{ID: "again", Args: []string{"/nosuchprogram"}}); err == nil {
		t.Fatal("the container runs")
	}
	c := h.Run(harness.Spec{ID: "again"})
	expectOutput(t, h, c, "alive", "echo", "alive")
}
