package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// Annotations by which shims group containers: Kubernetes' and runc's own.
const (
	sandboxAnnotation = "io.kubernetes.cri.sandbox-id"
	groupAnnotation   = "io.containerd.runc.v2.group"
)

func shimCount(t *testing.T, h *harness.Harness) int {
	t.Helper()
	shims, err := h.Shims()
	if err != nil {
		t.Fatal(err)
	}
	return len(shims)
}

// TestPod groups containers by annotation into one shim, which serves each of
// them alone and ends with the last.
func TestPod(t *testing.T) {
	for _, annotation := range []string{sandboxAnnotation, groupAnnotation} {
		t.Run(annotation, func(t *testing.T) {
			h := newNode(t)
			pod := func(id string) harness.Spec {
				return harness.Spec{ID: id, Annotations: map[string]string{annotation: "sandbox"}}
			}
			sandbox := h.Run(pod("sandbox"))
			one, two := h.Run(pod("one")), h.Run(pod("two"))
			if n := shimCount(t, h); n != 1 {
				t.Errorf("%d shims serve the pod, want 1", n)
			}
			expectOutput(t, h, one, "one", "echo", "one")
			h.Kill(one, syscall.SIGKILL)
			if code := h.Wait(one); code != 137 {
				t.Errorf("exit code %d, want 137", code)
			}
			h.Delete(one)
			expectOutput(t, h, two, "two", "echo", "two")
			h.Delete(two)
			again := h.Run(pod("one"))
			expectOutput(t, h, again, "again", "echo", "again")
			h.Delete(again)
			h.Delete(sandbox)
			h.CheckLeaks()
		})
	}
}

// TestPodFirstGone adds a container to a pod whose first one, in whose bundle the shim
// was started, is gone.
func TestPodFirstGone(t *testing.T) {
	h := newNode(t)
	pod := func(id string) harness.Spec {
		return harness.Spec{ID: id, Annotations: map[string]string{groupAnnotation: "first-gone"}}
	}
	first, second := h.Run(pod("first")), h.Run(pod("second"))
	h.Delete(first)
	third := h.Run(pod("third"))
	if n := shimCount(t, h); n != 1 {
		t.Errorf("%d shims serve the pod, want 1", n)
	}
	expectOutput(t, h, second, "two", "echo", "two")
	expectOutput(t, h, third, "three", "echo", "three")
	h.Delete(second)
	h.Delete(third)
	h.CheckLeaks()
}

// TestPodNamespaces lets a container join namespaces of the sandbox.
func TestPodNamespaces(t *testing.T) {
	h := newNode(t)
	annotations := map[string]string{sandboxAnnotation: "sandbox"}
	sandbox := h.Run(harness.Spec{ID: "sandbox", Annotations: annotations, OCI: []oci.SpecOpts{oci.WithHostname("podname")}})
	var opts []oci.SpecOpts
	kinds := map[specs.LinuxNamespaceType]string{
		specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts", specs.PIDNamespace: "pid",
	}
	for kind, name := range kinds {
		path := fmt.Sprintf("/proc/%d/ns/%s", sandbox.Task.Pid(), name)
		opts = append(opts, oci.WithLinuxNamespace(specs.LinuxNamespace{Type: kind, Path: path}))
	}
	c := h.Run(harness.Spec{Annotations: annotations, OCI: opts})
	for _, name := range kinds {
		link := []string{"readlink", "/proc/self/ns/" + name}
		if a, b := trimmed(h, sandbox, link...), trimmed(h, c, link...); a != b {
			t.Errorf("%s namespaces %s and %s", name, a, b)
		}
	}
	expectOutput(t, h, c, "podname", "hostname")
	if a, b := trimmed(h, sandbox, "readlink", "/proc/self/ns/mnt"), trimmed(h, c, "readlink", "/proc/self/ns/mnt"); a == b {
		t.Errorf("both are in mount namespace %s", a)
	}
}

// TestPodShimKilled wants all containers of a pod to end with their shim, and
// each to be reported.
func TestPodShimKilled(t *testing.T) {
	h := newNode(t)
	seen := h.Record()
	annotations := map[string]string{sandboxAnnotation: "sandbox"}
	pod := []*harness.Container{
		h.Run(harness.Spec{ID: "sandbox", Annotations: annotations}),
		h.Run(harness.Spec{ID: "one", Annotations: annotations, UserNS: harness.NthUserNS(5)}),
		h.Run(harness.Spec{ID: "two", Annotations: annotations}),
	}
	killShims(t, h)
	for _, c := range pod {
		h.Eventually(c.ID()+" is reported", func() bool {
			return strings.Contains(strings.Join(seen.Topics(c.ID()), " "), "/tasks/exit")
		})
		h.Eventually(c.ID()+" has ended", func() bool { return syscall.Kill(int(c.Task.Pid()), 0) != nil })
	}
	for _, c := range pod {
		h.Delete(c)
	}
	h.CheckLeaks()
}

// TestPodUserNS has the containers of a pod share its user namespace, as CRI does
// it: with the sandbox's network, IPC and host name, and a root filesystem each.
func TestPodUserNS(t *testing.T) {
	h := newNode(t)
	annotations, mapping := map[string]string{sandboxAnnotation: "sandbox"}, harness.NthUserNS(14)
	sandbox := h.Run(harness.Spec{ID: "sandbox", Annotations: annotations, UserNS: mapping, OCI: []oci.SpecOpts{oci.WithHostname("podname")}})
	var opts []oci.SpecOpts
	for kind, name := range map[specs.LinuxNamespaceType]string{
		specs.UserNamespace: "user", specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts",
	} {
		path := fmt.Sprintf("/proc/%d/ns/%s", sandbox.Task.Pid(), name)
		opts = append(opts, oci.WithLinuxNamespace(specs.LinuxNamespace{Type: kind, Path: path}))
	}
	for _, id := range []string{"one", "two"} {
		c := h.Run(harness.Spec{ID: id, Annotations: annotations, UserNS: mapping, OCI: opts})
		for _, name := range []string{"user", "net", "ipc", "uts"} {
			link := []string{"readlink", "/proc/self/ns/" + name}
			if a, b := trimmed(h, sandbox, link...), trimmed(h, c, link...); a != b {
				t.Errorf("%s: %s namespaces %s and %s", id, name, a, b)
			}
		}
		expectOutput(t, h, c, "podname", "hostname")
		expectOutput(t, h, c, "0 0", "stat", "-c", "%u %g", "/etc/passwd")
		h.Output(c, "sh", "-c", "echo > /only && chown 1000:2000 /only && echo > /dev/null")
	}
	if _, err := sandbox.Output(h.Ctx(), "ls", "/only"); err == nil {
		t.Error("the sandbox has a file that another container made in its own root")
	}
	if n := shimCount(t, h); n != 1 {
		t.Errorf("%d shims, want 1", n)
	}
}
