package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// selinuxOn tells whether SELinux labels this machine's processes.
func selinuxOn() bool {
	_, err := os.Stat("/sys/fs/selinux/enforce")
	return err == nil
}

// appArmorOn tells whether AppArmor confines processes here.
func appArmorOn() bool {
	data, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && strings.HasPrefix(string(data), "Y")
}

// TestSELinuxLabel wants the process's label on the first process and on a further
// one, and the mount label on the container's own file systems.
func TestSELinuxLabel(t *testing.T) {
	if !selinuxOn() {
		t.Skip("THE PREMISE IS MISSING: SELinux is off, so labels are NOT tested, but their refusal is, by TestSELinuxOff")
	}
	h := newNode(t)
	const label, files = "system_u:system_r:container_t:s0:c1,c2", "system_u:object_r:container_file_t:s0:c1,c2"
	c := h.Run(harness.Spec{
		Args: sh("cat /proc/self/attr/current; exec sleep 1000"),
		OCI:  edit(func(s *oci.Spec) { s.Process.SelinuxLabel, s.Linux.MountLabel = label, files }),
	})
	h.Eventually("it has looked", func() bool { return c.Stdout.String() != "" })
	for who, got := range map[string]string{"the first process": c.Stdout.String(), "a further process": h.Output(c, "cat", "/proc/self/attr/current")} {
		if strings.Trim(got, "\x00\n") != label {
			t.Errorf("%s has label %q, want %s", who, got, label)
		}
	}
	for _, target := range []string{"/", "/dev", "/dev/shm"} {
		if m := mountOf(t, h, c, target); !strings.Contains(m, "container_file_t") {
			t.Errorf("the mount %s has no label %s", m, files)
		}
	}
}

// TestSELinuxOff wants labels refused, in runc's words, where there is no SELinux.
func TestSELinuxOff(t *testing.T) {
	if selinuxOn() {
		t.Skip("SELinux is on here: TestSELinuxLabel tests the labels")
	}
	h := newNode(t)
	const label = "system_u:system_r:container_t:s0"
	sameRefusal(t, h, harness.Spec{OCI: edit(func(s *oci.Spec) { s.Process.SelinuxLabel = label })}, "selinux is disabled")
	// The mount label gets as far as the kernel, which knows no such option then.
	for _, runtime := range []string{harness.Stock, harness.Tango} {
		spec := harness.Spec{Runtime: runtime, OCI: edit(func(s *oci.Spec) { s.Linux.MountLabel = label })}
		if _, err := h.Node.Run(h.Ctx(), spec); err == nil || !strings.Contains(err.Error(), label) || !strings.Contains(err.Error(), "invalid argument") {
			t.Errorf("a mount label with %s: %v", runtime, err)
		}
	}
	sameExecRefusal(t, h, harness.ExecSpec{Change: func(p *specs.Process) { p.SelinuxLabel = label }}, "selinux is disabled")
	h.CheckLeaks()
}

// TestAppArmorOff wants a profile refused, in runc's words, where there is no
// AppArmor.
func TestAppArmorOff(t *testing.T) {
	if appArmorOn() {
		t.Skip("AppArmor is on here: TestAppArmor tests profiles")
	}
	h := newNode(t)
	sameRefusal(t, h, harness.Spec{OCI: []oci.SpecOpts{withProfile("tango-profile")}}, "apparmor failed to apply profile")
	sameExecRefusal(t, h, harness.ExecSpec{Change: func(p *specs.Process) { p.ApparmorProfile = "tango-profile" }}, "apparmor failed to apply profile")
	h.CheckLeaks()
}

// resctrl is where the kernel shares out caches and memory bandwidth.
const resctrl = "/sys/fs/resctrl"

// TestIntelRdt puts a container into a class of service.
func TestIntelRdt(t *testing.T) {
	schemata, err := os.ReadFile(filepath.Join(resctrl, "schemata"))
	if err != nil {
		t.Skip("THE PREMISE IS MISSING: no resctrl here, so classes of service are NOT tested, but their refusal is, by TestIntelRdtOff: ", err)
	}
	h := newNode(t)
	c := h.Run(harness.Spec{OCI: edit(func(s *oci.Spec) {
		s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "tango-test", Schemata: strings.Split(strings.TrimSpace(string(schemata)), "\n")}
	})})
	tasks, err := os.ReadFile(filepath.Join(resctrl, "tango-test/tasks"))
	if err != nil || !strings.Contains("\n"+string(tasks), fmt.Sprintf("\n%d\n", c.Task.Pid())) {
		t.Errorf("tasks of the class: %q, %v; want %d among them", tasks, err, c.Task.Pid())
	}
	h.Delete(c)
	if _, err := os.Stat(filepath.Join(resctrl, "tango-test")); err == nil {
		t.Error("the class is still there")
	}
}

// TestIntelRdtOff wants a class of service refused, in runc's words, where the
// kernel or the processor has none.
func TestIntelRdtOff(t *testing.T) {
	if _, err := os.Stat(filepath.Join(resctrl, "schemata")); err == nil {
		t.Skip("resctrl is mounted here: TestIntelRdt tests classes of service")
	}
	h := newNode(t)
	for name, rdt := range map[string]*specs.LinuxIntelRdt{
		"class": {ClosID: "tango-test"}, "cache": {L3CacheSchema: "L3:0=f"}, "bandwidth": {MemBwSchema: "MB:0=50"},
		"schemata": {Schemata: []string{"L3:0=f"}}, "monitoring": {EnableMonitoring: true},
	} {
		t.Run(name, func(t *testing.T) {
			sameRefusal(t, h.In(t), harness.Spec{OCI: edit(func(s *oci.Spec) { s.Linux.IntelRdt = rdt })}, "Intel RDT is not enabled")
		})
	}
	h.CheckLeaks()
}
