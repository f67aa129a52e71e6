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
