package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v2 "github.com/containerd/cgroups/v3/cgroup2/stats"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/containerd/typeurl/v2"

	"tango/test/harness"
)

// needsUnified skips a test where the controllers are in cgroup v1 hierarchies.
func needsUnified(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil {
		t.Skip("THE PREMISE IS MISSING: cgroup v2 is not all there is, so what only it has is NOT tested: ", err)
	}
}

// unifiedMetrics returns the container's metrics, which must be of cgroup v2.
func unifiedMetrics(t *testing.T, h *harness.Harness, c *harness.Container) *v2.Metrics {
	t.Helper()
	metric, err := c.Task.Metrics(h.Ctx())
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := typeurl.UnmarshalAny(metric.Data)
	if err != nil {
		t.Fatal(err)
	}
	m, ok := decoded.(*v2.Metrics)
	if !ok {
		t.Fatalf("metrics of type %T", decoded)
	}
	return m
}

// TestMemoryEvents has the kernel kill one process of a container that goes on:
// memory.events counts it, and each kill is told.
func TestMemoryEvents(t *testing.T) {
	needsUnified(t)
	h := newNode(t)
	seen := h.Record()
	c := h.Run(harness.Spec{
		OCI:  []oci.SpecOpts{oci.WithMemoryLimit(24 * mib)},
		Args: sh("tail /dev/zero; echo first $?; tail /dev/zero; echo second $?; exec sleep 1000"),
	})
	h.Eventually("both were killed", func() bool { return c.Stdout.String() == "first 137\nsecond 137\n" })
	if e := unifiedMetrics(t, h, c).MemoryEvents; e.GetOomKill() != 2 || e.GetOom() == 0 || e.GetMax() == 0 {
		t.Errorf("memory.events are %v", e)
	}
	h.Eventually("the event arrives", func() bool { return slices.Contains(seen.Topics(c.ID()), "/tasks/oom") })
	expectOutput(t, h, c, "alive", "echo", "alive")
}

// TestPressure wants pressure stall information in the metrics. Two processes of
// a container that may use a tenth of a CPU wait for it.
func TestPressure(t *testing.T) {
	needsUnified(t)
	if _, err := os.ReadFile("/proc/pressure/cpu"); err != nil {
		t.Skip("THE PREMISE IS MISSING: this kernel has pressure information off, so it is NOT tested: ", err)
	}
	h := newNode(t)
	c := h.Run(harness.Spec{
		OCI:  []oci.SpecOpts{oci.WithCPUCFS(10000, 100000)},
		Args: sh("(while :; do :; done) & while :; do :; done"),
	})
	h.Eventually("the processes have waited for a CPU", func() bool {
		m := unifiedMetrics(t, h, c)
		if m.GetCPU().GetPSI() == nil || m.GetMemory().GetPSI() == nil || m.GetIo().GetPSI() == nil {
			t.Fatalf("no pressure in the metrics: CPU %v, memory %v, io %v", m.GetCPU().GetPSI(), m.GetMemory().GetPSI(), m.GetIo().GetPSI())
		}
		return m.GetCPU().GetPSI().GetSome().GetTotal() > 0
	})
	if m := unifiedMetrics(t, h, c).GetCPU(); m.GetNrThrottled() == 0 || m.GetThrottledUsec() == 0 {
		t.Errorf("it was never throttled: %v", m)
	}
}

// TestUnifiedResources sets files of cgroup v2 by their names.
func TestUnifiedResources(t *testing.T) {
	needsUnified(t)
	h := newNode(t)
	want := map[string]string{"memory.high": "50331648", "pids.max": "77", "cpu.weight": "321"}
	c := h.Run(harness.Spec{OCI: edit(func(s *oci.Spec) { s.Linux.Resources.Unified = want })})
	for file, value := range want {
		if got := cgroupValue(t, h, c, "", "", file); got != value {
			t.Errorf("%s is %q, want %q", file, got, value)
		}
	}
}

// TestOnlyUnified wants the container in the v2 hierarchy and nowhere else.
func TestOnlyUnified(t *testing.T) {
	needsUnified(t)
	h := newNode(t)
	c := h.Run(harness.Spec{})
	want := "0::" + filepath.Join(h.CgroupParent(), c.ID())
	got, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.Task.Pid()))
	if err != nil || strings.TrimSpace(string(got)) != want {
		t.Errorf("its cgroups are %q, %v; want %q", got, err, want)
	}
}
