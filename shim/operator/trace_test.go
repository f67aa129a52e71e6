package operator

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/shim/telemetry"
)

// kernelTrace is as the kernel writes it; 4711 is the shim, 4700 and 4712 are threads
// of it, of which the trace has only seen the second begin, 4720 is a child, 99 a
// stranger.
const kernelTrace = `# tracer: nop
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
containerd-shim-4711    [001] .....   100.001000: sched_process_fork: comm=containerd-shim pid=4711 child_comm=containerd-shim child_pid=4712
containerd-shim-4712    [000] .....   100.002000: sys_unshare(unshare_flags: 20000)
 containerd-shim-4712   [000] .....   100.002100: contention_begin: 0xffffffff82a01234 (flags=WRITE)
              ctr-99    [000] .....   100.002150: sys_mount(dev_name: 1, dir_name: 2)
 containerd-shim-4712   [000] .....   100.002600: contention_end: 0xffffffff82a01234 (ret=0)
 containerd-shim-4712   [000] .....   100.003000: sys_unshare -> 0x0
containerd-shim-4700    [001] .....   100.004000: sched_process_fork: comm=containerd-shim pid=4700 child_comm=containerd-shim child_pid=4720
           sleep-4720   [001] .....   100.005000: sys_mount(dev_name: 7ffc, dir_name: 7ffd, type: 7ffe, flags: 0, data: 0)
           sleep-4720   [001] .....   100.005250: sys_mount -> 0xfffffffffffffff0
           sleep-4720   [001] .....   100.006000: task_rename: pid=4720 oldcomm=runc:[2:INIT] newcomm=sleep oom_score_adj=0
           sleep-4720   [001] .....   100.900000: sys_mount(dev_name: 0)
              ctr-99    [000] .....   100.002950: sys_mount -> 0x0
`

func parsedTrace(t *testing.T) []kernelEvent {
	t.Helper()
	events, err := parseTraceLines(strings.NewReader(kernelTrace))
	if err != nil {
		t.Fatal(err)
	}
	return ofProcess(events, 4711, threads{4700: 4711, 98: 99})
}

func createdAndStarted(begin time.Time) []telemetry.Record {
	return []telemetry.Record{
		{Time: begin, Op: telemetry.OpCreate, Arm: "tango", Way: "plain", Container: "c1", Kernel: "6.18", Result: telemetry.ResultOK, Took: 10 * time.Millisecond,
			Phases: []telemetry.Phase{{Name: "attach", At: time.Millisecond, Took: 3 * time.Millisecond}, {Name: "place", At: 500 * time.Microsecond, Took: 4 * time.Millisecond}}},
		{Time: begin.Add(12 * time.Millisecond), Op: telemetry.OpStart, Arm: "tango", Container: "c1", Result: telemetry.ResultOK, Took: time.Millisecond},
	}
}

func TestTimeline(t *testing.T) {
	tl := newTimeline(createdAndStarted(time.Unix(100, 500_000)), parsedTrace(t))
	var b strings.Builder
	if err := tl.write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	t.Log("\n" + text)
	want := []string{"create\n", "create.place\n", "create.attach\n", "unshare()  by containerd-shim on CPU 0", "WAIT for write 0xffffffff82a01234", "mount()  by runc:[2:INIT] on CPU 1: device or resource busy", "start\n"}
	at := 0
	for _, w := range want {
		i := strings.Index(text[at:], w)
		if i < 0 {
			t.Fatalf("%q does not come next", w)
		}
		at += i
	}
	if tl.Calls != 2 || tl.CallTime != 1250*time.Microsecond || tl.Waits != 1 || tl.WaitTime != 500*time.Microsecond {
		t.Errorf("%+v", tl)
	}
	if strings.Contains(text, "ctr") {
		t.Error("a stranger's call is in it")
	}
}

func TestPerfetto(t *testing.T) {
	file := t.TempDir() + "/trace.json"
	if err := newTimeline(createdAndStarted(time.Unix(100, 500_000)), parsedTrace(t)).writePerfetto(file); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var trace struct{ TraceEvents []perfettoEvent }
	if err := json.Unmarshal(data, &trace); err != nil {
		t.Fatal(err)
	}
	slices, rows := 0, map[int]bool{}
	for _, e := range trace.TraceEvents {
		if e.Phase == "X" {
			slices++
			if e.Took <= 0 || e.Name == "" {
				t.Errorf("%+v", e)
			}
			if !rows[e.Thread] {
				t.Errorf("row %d has no name", e.Thread)
			}
		} else if e.Name == "thread_name" {
			rows[e.Thread] = true
		}
	}
	if slices != 7 { // two operations, two phases, two calls, one wait
		t.Errorf("%d slices", slices)
	}
}

// The kernel must take the settings, and give everything back.
func TestTracing(t *testing.T) {
	s, err := startTracing()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	events, err := s.stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events", len(events))
	s.close()
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("the trace instance stays: %v", err)
	}
}

// What killed processes have left is swept, and what others use is not.
func TestSweepInstances(t *testing.T) {
	dir := t.TempDir()
	mine := fmt.Sprintf("%s%d", instancePrefix, os.Getpid())
	for _, name := range []string{instancePrefix + "4194305", mine, "others.4194305", instancePrefix + "x"} { // 4194304 is the largest pid
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	sweepInstances(dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{"others.4194305", mine, instancePrefix + "x"}; !slices.Equal(left, want) {
		t.Errorf("%q, want %q", left, want)
	}
}

func TestTraceUsage(t *testing.T) {
	for _, args := range [][]string{{"trace"}, {"trace", "a", "b"}, {"trace", "--next", "a"}} {
		if code, _, _ := run(args...); code != exitUsage {
			t.Errorf("%q: code %d", args, code)
		}
	}
	if code, _, stderr := run("trace", "--run-dir", t.TempDir(), "nobody"); code != exitMissing || !strings.Contains(stderr, "nobody") {
		t.Errorf("code %d, %q", code, stderr)
	}
}

// What the host's service does is the container's if it does it during the create,
// and what it starts is not.
func TestOfServices(t *testing.T) {
	events, err := parseTraceLines(strings.NewReader(`
 containerd-shim-301    [001] .....   100.000000: sys_fsopen(_fs_name: 1)
 containerd-shim-301    [001] .....   100.000100: sys_fsopen -> 0x7
 containerd-shim-301    [001] .....   100.002000: sched_process_fork: comm=containerd-shim pid=301 child_comm=containerd-shim child_pid=310
 containerd-shim-310    [001] .....   100.002100: sys_unshare(unshare_flags: 20000)
 containerd-shim-301    [001] .....   100.003000: sys_fsmount(fs_fd: 7)
 containerd-shim-301    [001] .....   100.003100: sys_fsmount -> 0x8
 containerd-shim-301    [001] .....   100.090000: sys_fsmount(fs_fd: 7)
`))
	if err != nil {
		t.Fatal(err)
	}
	create := createdAndStarted(time.Unix(100, 500_000))[0]
	var names []string
	for _, e := range ofServices(events, []int{300}, threads{301: 300}, create) {
		names = append(names, e.comm+": "+e.name)
	}
	want := []string{serviceName + ": sys_fsmount", serviceName + ": sys_fsmount ->"}
	if !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

// A machine on which nobody has mounted tracefs can be traced as well, and nothing
// is mounted for it where others see it.
func TestTracefs(t *testing.T) {
	withoutTracefs(t, func() {
		before := ownMounts(t)
		s, err := startTracing()
		if err != nil {
			t.Error(err)
			return
		}
		defer s.close()
		if s.fs == nil {
			t.Error("a tracefs is there that should be hidden")
		}
		if _, err := os.Stat(s.dir + "/events/syscalls/sys_enter_mount"); err != nil {
			t.Error(err)
		}
		if after := ownMounts(t); after != before {
			t.Errorf("mounts are\n%s, were\n%s", after, before)
		}
	})
}

// ownMounts are those of the calling thread's namespace, which may have a tracefs that
// is hidden.
func ownMounts(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		t.Error(err)
	}
	return string(mounts)
}

// withoutTracefs calls f where the usual places of tracefs are hidden, on a thread
// that ends with it.
func withoutTracefs(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: its mount namespace is nobody else's
		if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS),
			unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("none", "/sys/kernel", "tmpfs", 0, "")); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}
