package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tango/test/harness"
)

// Labels of the policy that the matrix's guest loads: test/vm/guest/selinux.cil. What
// is labelled as the host's is denied to containers.
const (
	containerLabel = "system_u:system_r:container_t:s0:c1,c2"
	filesLabel     = "system_u:object_r:container_file_t:s0:c1,c2"
	hostLabel      = "system_u:object_r:host_file_t:s0"
)

// selinuxOn tells whether SELinux labels this machine's processes.
func selinuxOn() bool {
	_, err := os.Stat("/sys/fs/selinux/enforce")
	return err == nil
}

// needsSELinux ends a test that has nobody who would know a label.
func needsSELinux(t *testing.T) {
	t.Helper()
	if !selinuxOn() {
		t.Skip("THE PREMISE IS MISSING: SELinux is off, so labels are NOT tested, but their refusal is, by TestSELinuxOff")
	}
}

func withLabels(process, mounts string) []oci.SpecOpts {
	return edit(func(s *oci.Spec) { s.Process.SelinuxLabel, s.Linux.MountLabel = process, mounts })
}

// TestSELinuxLabel wants the process's label on the first process and on a further
// one, and the mount label on the container's own file systems.
func TestSELinuxLabel(t *testing.T) {
	needsSELinux(t)
	h := newNode(t)
	c := h.Run(harness.Spec{
		Args: sh("cat /proc/self/attr/current; exec sleep 1000"),
		OCI:  withLabels(containerLabel, filesLabel),
	})
	h.Eventually("it has looked", func() bool { return c.Stdout.String() != "" })
	for who, got := range map[string]string{"the first process": c.Stdout.String(), "a further process": h.Output(c, "cat", "/proc/self/attr/current")} {
		if strings.Trim(got, "\x00\n") != containerLabel {
			t.Errorf("%s has label %q, want %s", who, got, containerLabel)
		}
	}
	for _, target := range []string{"/", "/dev", "/dev/shm"} {
		if m := mountOf(t, h, c, target); !strings.Contains(m, "container_file_t") {
			t.Errorf("the mount %s has no label %s", m, filesLabel)
		}
	}
}

// hostDirectory is a directory with a file that a container may read, and one that is
// labelled as the host's, as a mount at /host.
func hostDirectory(t *testing.T) oci.SpecOpts {
	t.Helper()
	dir := t.TempDir()
	for name, label := range map[string]string{"open": filesLabel, "closed": hostLabel} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setxattr(path, "security.selinux", []byte(label), 0); err != nil {
			t.Fatal(err)
		}
	}
	return oci.WithMounts([]specs.Mount{{Source: dir, Destination: "/host", Type: "bind", Options: []string{"rbind"}}})
}

// TestSELinuxDenies wants a labelled process kept from what the policy keeps from it,
// and a further process confined by a label of its own.
func TestSELinuxDenies(t *testing.T) {
	needsSELinux(t)
	h := newNode(t)
	look := sh("cat /host/open; cat /host/closed 2>&1 | grep -o denied || true")
	host := hostDirectory(t)
	confined := h.Run(harness.Spec{OCI: append(withLabels(containerLabel, filesLabel), host)})
	expectOutput(t, h, confined, "opendenied", look...)
	free := h.Run(harness.Spec{OCI: []oci.SpecOpts{host}})
	expectOutput(t, h, free, "openclosed", sh("cat /host/open /host/closed")...)
	e := h.Exec(free, harness.ExecSpec{Args: look, Change: func(p *specs.Process) { p.SelinuxLabel = containerLabel }})
	h.Finish(e)
	if got := strings.TrimSpace(e.Stdout.String()); got != "opendenied" {
		t.Errorf("a further process with a label of its own wrote %q", got)
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
