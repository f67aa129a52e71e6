package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/cgroups/v3"

	"tango/test/harness"
)

// TestHostServiceCgroup wants the host service in a cgroup of its own where cgroup
// version 2 is mounted, and the shims that it starts where containerd is.
func TestHostServiceCgroup(t *testing.T) {
	switch {
	case harness.Runtime(t) == harness.Stock:
		t.Skip("the stock shim has no host service")
	case cgroups.Mode() == cgroups.Legacy:
		t.Skip("THE PREMISE IS MISSING: cgroup v2 is not mounted, so the host service's own cgroup is NOT tested")
	}
	h := newNode(t)
	with := unifiedCgroup(t, h.DaemonPID())
	h.Run(harness.Spec{}) // has the service started
	h.Run(harness.Spec{}) // and is answered by it
	own := strings.TrimSuffix(with, "/") + "/tango-host-"
	var processes []harness.Process
	h.Eventually("a shim is started beforehand", func() bool {
		var err error
		processes, err = h.Services()
		return err == nil && len(processes) > 1
	})
	for _, p := range processes {
		of := unifiedCgroup(t, p.PID)
		if apart := slices.Contains(strings.Fields(p.Command), "service"); apart != strings.HasPrefix(of, own) {
			t.Errorf("%q is in %s, containerd in %s", p.Command, of, with)
		}
	}
	shims, err := h.Shims()
	if err != nil || len(shims) != 2 {
		t.Fatalf("shims %v, %v; want two", shims, err)
	}
	for _, s := range shims {
		if of := unifiedCgroup(t, s.PID); of != with {
			t.Errorf("a shim is in %s, containerd in %s", of, with)
		}
	}
}

// unifiedCgroup is a process's cgroup of version 2.
func unifiedCgroup(t *testing.T, pid int) string {
	t.Helper()
	_, of, err := cgroups.ParseCgroupFileUnified(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	return of
}
