package integration

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// policyField prints scheduling policy, real-time priority and nice value of the
// calling process: fields 41, 40 and 19 of /proc/PID/stat, as proc(5) counts.
var policyField = []string{"awk", `{print $41, $40, $19}`, "/proc/self/stat"}

// realtimeInGroups tells whether a cgroup of the v1 cpu controller must be given
// real-time runtime, and every group above it, before SCHED_FIFO is allowed in it.
func realtimeInGroups() bool {
	_, err := os.Stat("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")
	return err == nil
}

// TestScheduler runs containers and further processes under each policy.
func TestScheduler(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{})
	for _, test := range []struct {
		scheduler specs.Scheduler
		want      string // policy as sched(7) numbers it, priority, nice if set
	}{
		{specs.Scheduler{Policy: specs.SchedOther, Nice: -3}, "0 0 -3"},
		{specs.Scheduler{Policy: specs.SchedBatch, Nice: 4}, "3 0 4"},
		{specs.Scheduler{Policy: specs.SchedIdle}, "5 0 "},
		{specs.Scheduler{Policy: specs.SchedFIFO, Priority: 7}, "1 7 "},
		{specs.Scheduler{Policy: specs.SchedRR, Priority: 9}, "2 9 "},
		{specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 1e6, Deadline: 1e8, Period: 1e8}, "6 0 "},
	} {
		t.Run(string(test.scheduler.Policy), func(t *testing.T) {
			h := h.In(t)
			spec := harness.Spec{Args: policyField, OCI: edit(func(s *oci.Spec) { s.Process.Scheduler = &test.scheduler })}
			if test.scheduler.Priority > 0 && realtimeInGroups() {
				sameRefusal(t, h, spec, "error setting scheduler")
				return // TestRealtimeInGroups goes on
			}
			if got := runToEnd(t, h, spec); !strings.HasPrefix(got, test.want) {
				t.Errorf("a container has %q, want %q", got, test.want)
			}
			e := h.Exec(c, harness.ExecSpec{Args: policyField, Change: func(p *specs.Process) { p.Scheduler = &test.scheduler }})
			if code := h.Finish(e); code != 0 || !strings.HasPrefix(e.Stdout.String(), test.want) {
				t.Errorf("a further process ended with %d and has %q %s, want %q", code, e.Stdout, e.Stderr, test.want)
			}
		})
	}
}

// TestRealtimeInGroups gives the container's cgroup real-time runtime, where groups
// must have it, and wants SCHED_FIFO and SCHED_RR allowed then.
func TestRealtimeInGroups(t *testing.T) {
	if !realtimeInGroups() {
		t.Skip("groups need no real-time runtime here: TestScheduler tests these policies")
	}
	h := newNode(t)
	parent := "/sys/fs/cgroup/cpu" + h.CgroupParent()
	if err := os.MkdirAll(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, parent+"/cpu.rt_runtime_us", "20000")
	runtime, period := int64(10000), uint64(1000000)
	realtime := func(scheduler specs.Scheduler) []oci.SpecOpts {
		return edit(func(s *oci.Spec) {
			s.Process.Scheduler = &scheduler
			s.Linux.Resources.CPU = &specs.LinuxCPU{RealtimeRuntime: &runtime, RealtimePeriod: &period}
		})
	}
	fifo, rr := specs.Scheduler{Policy: specs.SchedFIFO, Priority: 7}, specs.Scheduler{Policy: specs.SchedRR, Priority: 9}
	c := h.Run(harness.Spec{Args: sh(`awk '{print $41, $40}' /proc/self/stat; exec sleep 1000`), OCI: realtime(fifo)})
	h.Eventually("it has looked", func() bool { return c.Stdout.String() != "" })
	if got := c.Stdout.String(); got != "1 7\n" {
		t.Errorf("a container has %q, want policy 1, priority 7", got)
	}
	e := h.Exec(c, harness.ExecSpec{Args: policyField, Change: func(p *specs.Process) { p.Scheduler = &rr }})
	if code := h.Finish(e); code != 0 || !strings.HasPrefix(e.Stdout.String(), "2 9 ") {
		t.Errorf("a further process ended with %d and has %q %s, want policy 2, priority 9", code, e.Stdout, e.Stderr)
	}
	h.Delete(c)
	h.CheckLeaks()
}

// TestIOPriority gives a container one, and a further process another.
func TestIOPriority(t *testing.T) {
	h := newNode(t)
	level := func(class specs.IOPriorityClass, n int) *specs.LinuxIOPriority {
		return &specs.LinuxIOPriority{Class: class, Priority: n}
	}
	c := h.Run(harness.Spec{
		Args: sh("ionice -p $$; exec sleep 1000"),
		OCI:  edit(func(s *oci.Spec) { s.Process.IOPriority = level(specs.IOPRIO_CLASS_RT, 3) }),
	})
	h.Eventually("it has looked", func() bool { return c.Stdout.String() == "realtime: prio 3\n" })
	for want, priority := range map[string]*specs.LinuxIOPriority{
		"best-effort: prio 5": level(specs.IOPRIO_CLASS_BE, 5), "idle": level(specs.IOPRIO_CLASS_IDLE, 0),
	} {
		e := h.Exec(c, harness.ExecSpec{Args: sh("ionice -p $$"), Change: func(p *specs.Process) { p.IOPriority = priority }})
		if code := h.Finish(e); code != 0 || !strings.HasPrefix(e.Stdout.String(), want) {
			t.Errorf("a further process ended with %d and wrote %q %s, want %q", code, e.Stdout, e.Stderr, want)
		}
	}
}

// TestExecCPUAffinity pins further processes, and leaves the container alone.
func TestExecCPUAffinity(t *testing.T) {
	h := newNode(t)
	if runtime.NumCPU() < 2 {
		t.Skip("THE PREMISE IS MISSING: with one processor every affinity is the same, so it is NOT tested")
	}
	c := h.Run(harness.Spec{})
	all := trimmed(h, c, statusField("Cpus_allowed_list")...)
	for _, test := range []struct{ initial, final, want string }{
		{"", "1", "1"}, {"0", "1", "1"}, {"0", "0-1", "0-1"}, {"1", "", "1"}, {"", "", all},
	} {
		t.Run(fmt.Sprintf("from %q to %q", test.initial, test.final), func(t *testing.T) {
			h := h.In(t)
			e := h.Exec(c, harness.ExecSpec{Args: statusField("Cpus_allowed_list"), Change: func(p *specs.Process) {
				p.ExecCPUAffinity = &specs.CPUAffinity{Initial: test.initial, Final: test.final}
			}})
			if code := h.Finish(e); code != 0 || strings.TrimSpace(e.Stdout.String()) != test.want {
				t.Errorf("ended with %d, affinity %q %s, want %q", code, e.Stdout, e.Stderr, test.want)
			}
		})
	}
	e, err := c.NewExec(h.Ctx(), harness.ExecSpec{Change: func(p *specs.Process) {
		p.ExecCPUAffinity = &specs.CPUAffinity{Final: "no processor"}
	}})
	if err == nil {
		err = e.Start(h.Ctx())
	}
	if err == nil {
		t.Error("an affinity that is none was accepted")
	}
	expectOutput(t, h, c, all, statusField("Cpus_allowed_list")...)
}

// TestMemoryPolicyOfAnExec wants the NUMA policy of the container's memory for a
// further process as well, and an unknown policy refused.
func TestMemoryPolicyOfAnExec(t *testing.T) {
	memoryNodes(t)
	h := newNode(t)
	policy := &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}}
	c := h.Run(harness.Spec{OCI: edit(func(s *oci.Spec) { s.Linux.MemoryPolicy = policy })})
	const want = "bind=static:0"
	if _, rest, _ := strings.Cut(h.Output(c, "cat", "/proc/self/numa_maps"), " "); !strings.HasPrefix(rest, want+" ") {
		t.Errorf("a further process has %.40q, want %s", rest, want)
	}
	h.Delete(c)
	sameRefusal(t, h, harness.Spec{OCI: edit(func(s *oci.Spec) {
		s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: "MPOL_NOSUCH"}
	})}, "MPOL_NOSUCH")
}
