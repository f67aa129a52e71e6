package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"tango/test/harness"
)

// TestInitProgram looks at what a container is that has been created, not started:
// libcontainer's init. The first shim of a host is init itself, those that the host
// service starts have a smaller program for it.
func TestInitProgram(t *testing.T) {
	if harness.Runtime(t) != harness.Tango {
		t.Skip("the stock shim starts containers with runc")
	}
	h := newNode(t)
	first := h.Run(harness.Spec{Args: []string{"sleep", "1000"}})
	h.Eventually("containers start from tango-init", func() bool { return startsFromProgram(t, h, harness.Spec{}) })
	h.Delete(first)
	h.CheckLeaks()
}

// TestFirstShimAdoptsInitProgram wants the first shim of a host to have that program for
// what it starts once there is a service.
func TestFirstShimAdoptsInitProgram(t *testing.T) {
	if harness.Runtime(t) != harness.Tango {
		t.Skip("the stock shim starts containers with runc")
	}
	h := newNode(t)
	pod := map[string]string{sandboxAnnotation: "sandbox"}
	first := h.Run(harness.Spec{ID: "sandbox", Args: []string{"sleep", "1000"}, Annotations: pod})
	h.Eventually("a pod's next container starts from tango-init", func() bool {
		return startsFromProgram(t, h, harness.Spec{Annotations: pod})
	})
	if n := shimCount(t, h); n != 1 {
		t.Errorf("%d shims serve the pod, want 1", n)
	}
	expectOutput(t, h, first, "exec", "echo", "exec")
	h.Delete(first)
	h.CheckLeaks()
}

// startsFromProgram creates a container and tells whether its init is tango-init.
func startsFromProgram(t *testing.T, h *harness.Harness, spec harness.Spec) bool {
	t.Helper()
	c := h.Create(spec)
	defer h.Delete(c)
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", c.Task.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	return strings.HasSuffix(exe, ":tango-init (deleted)")
}
