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
	h.Eventually("containers start from tango-init", func() bool {
		c := h.Create(harness.Spec{})
		defer h.Delete(c)
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", c.Task.Pid()))
		if err != nil {
			t.Fatal(err)
		}
		return strings.HasSuffix(exe, ":tango-init (deleted)")
	})
	h.Delete(first)
	h.CheckLeaks()
}
