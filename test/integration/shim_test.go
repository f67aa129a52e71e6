package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/containerd/containerd/api/types/runc/options"
	containerd "github.com/containerd/containerd/v2/client"
	"golang.org/x/sys/unix"

	"tango/test/harness"
)

// wrapped returns the options of a node whose containerd is executed by a shell
// script that does something first. exec keeps the process id.
func wrapped(t *testing.T, first string) harness.Options {
	t.Helper()
	script := filepath.Join(t.TempDir(), "containerd")
	text := fmt.Sprintf("#!/bin/sh\n%s\nexec containerd \"$@\"\n", first)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return harness.Options{Containerd: script}
}

// theShim returns the one shim that runs.
func theShim(t *testing.T, h *harness.Harness) harness.Process {
	t.Helper()
	shims, err := h.Shims()
	if err != nil || len(shims) != 1 {
		t.Fatalf("shims %v, %v; want one", shims, err)
	}
	return shims[0]
}

func readProc(t *testing.T, pid int, name string) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// TestShimOOMScore wants the kernel to take containerd's life last but one, and
// the shim's before that: one point more than containerd has.
func TestShimOOMScore(t *testing.T) {
	for _, score := range []int{-999, 0, 500} {
		t.Run(strconv.Itoa(score), func(t *testing.T) {
			t.Parallel()
			set := fmt.Sprintf("echo %d > /proc/self/oom_score_adj", score)
			if out, err := exec.Command("sh", "-c", set).CombinedOutput(); err != nil {
				t.Skipf("THE PREMISE IS MISSING: nobody here may lower the score, so %d is NOT tested: %s", score, out)
			}
			h := harness.New(t, wrapped(t, set))
			h.Run(harness.Spec{})
			if got := readProc(t, theShim(t, h).PID, "oom_score_adj"); got != strconv.Itoa(score+1) {
				t.Errorf("the shim's score is %s, want %d", got, score+1)
			}
		})
	}
}

// TestShimUmask wants a container to be what it is whatever umask containerd has
// been started with. A further process gets containerd's, as with runc.
func TestShimUmask(t *testing.T) {
	for _, umask := range []string{"0000", "0077"} {
		t.Run(umask, func(t *testing.T) {
			t.Parallel()
			h := harness.New(t, wrapped(t, "umask "+umask))
			c := h.Run(harness.Spec{Args: sh("umask; stat -c %a /dev/null /dev/shm; exec sleep 1000")})
			h.Eventually("it has looked", func() bool { return strings.Count(c.Stdout.String(), "\n") == 3 })
			if got := strings.Join(strings.Fields(c.Stdout.String()), " "); got != "0022 666 1777" {
				t.Errorf("umask, modes of /dev/null and /dev/shm: %q, want 0022 666 1777", got)
			}
			expectOutput(t, h, c, umask, "sh", "-c", "umask")
		})
	}
}

// groupFor makes a cgroup in every hierarchy and takes it away after the node.
// Call it before the node is made.
func groupFor(t *testing.T, name string) {
	t.Helper()
	for _, dir := range groupDirs(t, name) {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := syscall.Rmdir(dir); err != nil {
				t.Errorf("cannot remove cgroup %s: %v", dir, err)
			}
		})
		inheritCPUs(t, dir)
	}
}

// groupDirs are the directories of a cgroup: one in the only hierarchy of cgroup
// v2, or one for each mounted controller of v1.
func groupDirs(t *testing.T, name string) []string {
	t.Helper()
	const root = "/sys/fs/cgroup"
	if _, err := os.Stat(root + "/cgroup.controllers"); err == nil {
		return []string{filepath.Join(root, name)}
	}
	files, err := filepath.Glob(root + "/*/cgroup.procs")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cgroup hierarchies in %s: %v", root, err)
	}
	var dirs []string
	for _, file := range files {
		dirs = append(dirs, filepath.Join(filepath.Dir(file), name))
	}
	return dirs
}

// inheritCPUs fills in what a new group of the v1 cpuset controller must have
// before a process can be put into it.
func inheritCPUs(t *testing.T, dir string) {
	t.Helper()
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
		if err != nil {
			continue // another controller, or v2
		}
		if err := os.WriteFile(filepath.Join(dir, file), value, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestShimCgroup puts the shim into a cgroup of its own, and the container's
// processes not.
func TestShimCgroup(t *testing.T) {
	t.Parallel()
	group := fmt.Sprintf("/tango-shims-%d", os.Getpid())
	groupFor(t, group)
	h := harness.New(t, harness.Options{})
	c := h.Run(harness.Spec{Options: runtimeOptions(t, h, func(o *options.Options) { o.ShimCgroup = group })})
	for _, dir := range groupDirs(t, group) {
		if strings.HasPrefix(dir, "/sys/fs/cgroup/unified/") {
			continue // beside v1 controllers, v2 has none to put anybody into
		}
		data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if want := strconv.Itoa(theShim(t, h).PID); err != nil || strings.TrimSpace(string(data)) != want {
			t.Errorf("in %s are the processes %q, %v; want %s", dir, data, err, want)
		}
	}
	expectOutput(t, h, c, "alive", "echo", "alive")
}

// TestShimCgroupMissing wants an error that names the group, and nothing left.
func TestShimCgroupMissing(t *testing.T) {
	h := newNode(t)
	o := runtimeOptions(t, h, func(o *options.Options) { o.ShimCgroup = "/nosuchgroup" })
	if _, err := h.Node.Run(h.Ctx(), harness.Spec{Options: o}); err == nil || !strings.Contains(err.Error(), "nosuchgroup") {
		t.Errorf("a shim in a cgroup that is not there: %v, want an error that names it", err)
	}
	h.CheckLeaks()
}

// coreCookie returns the core scheduling cookie of a process: processes of other
// cookies never share a core with it. It is 0 where there is none.
func coreCookie(pid int) (uint64, error) {
	const onlyThisThread = 0 // PIDTYPE_PID
	var cookie uint64
	err := unix.Prctl(unix.PR_SCHED_CORE, unix.PR_SCHED_CORE_GET, uintptr(pid), onlyThisThread, uintptr(unsafe.Pointer(&cookie)))
	return cookie, err
}

// TestCoreScheduling wants a shim and its containers in a core scheduling domain
// of their own where containerd's environment asks for it.
func TestCoreScheduling(t *testing.T) {
	t.Parallel()
	if _, err := coreCookie(0); err != nil {
		t.Skipf("THE PREMISE IS MISSING: no core scheduling here (%v), so it is NOT tested, but its refusal is, by TestCoreSchedulingOff", err)
	}
	h := harness.New(t, harness.Options{Env: []string{"SCHED_CORE=1"}})
	seen := map[uint64]string{0: "containerd"}
	for range 2 {
		c := h.Run(harness.Spec{})
		e := h.Exec(c, harness.ExecSpec{Args: []string{"sleep", "1000"}})
		cookie, err := coreCookie(int(c.Task.Pid()))
		if other, taken := seen[cookie]; err != nil || taken {
			t.Errorf("%s has cookie %d, %v, like %s", c.ID(), cookie, err, other)
		}
		seen[cookie] = c.ID()
		if of, err := coreCookie(int(e.Pid())); of != cookie {
			t.Errorf("a further process has cookie %d, %v; want %d", of, err, cookie)
		}
	}
}

// TestCoreSchedulingOff wants an error where the kernel or the processor has no core
// scheduling.
func TestCoreSchedulingOff(t *testing.T) {
	t.Parallel()
	if _, err := coreCookie(0); err == nil {
		t.Skip("the kernel has core scheduling: TestCoreScheduling tests it")
	}
	h := harness.New(t, harness.Options{Env: []string{"SCHED_CORE=1"}})
	if _, err := h.Node.Run(h.Ctx(), harness.Spec{}); err == nil || !strings.Contains(err.Error(), "core") {
		t.Errorf("a container without the core scheduling that was asked for: %v", err)
	}
	h.CheckLeaks()
}

// TestShimLog wants the shim's own log in containerd's, and more of it where
// containerd is told to debug.
func TestShimLog(t *testing.T) {
	for level, want := range map[string]bool{"info": false, "debug": true} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			h := harness.New(t, harness.Options{LogLevel: level})
			h.Run(harness.Spec{})
			shim := theShim(t, h)
			if got := strings.Contains(shim.Command+" ", " -debug "); got != want {
				t.Errorf("command line %q at level %s", shim.Command, level)
			}
			// Stacks are what both shims write when asked to.
			if err := syscall.Kill(shim.PID, syscall.SIGUSR1); err != nil {
				t.Fatal(err)
			}
			h.Eventually("the stacks are in containerd's log", func() bool {
				log, err := h.Log()
				return err == nil && strings.Contains(log, "goroutine ") && strings.Contains(log, "goroutine stack dump")
			})
		})
	}
}

// TestBinaryName wants the option accepted, and said once that it has no effect.
func TestBinaryName(t *testing.T) {
	h := newNode(t)
	if harness.Runtime(t) == harness.Stock {
		t.Skip("the stock shim executes what BinaryName names: every other test shows that")
	}
	o := runtimeOptions(t, h, func(o *options.Options) { o.BinaryName = "true" })
	annotations := map[string]string{sandboxAnnotation: "sandbox"}
	for _, id := range []string{"sandbox", "one"} {
		c := h.Run(harness.Spec{ID: id, Annotations: annotations, Options: o})
		expectOutput(t, h, c, id, "echo", id)
	}
	said := func() int {
		log, err := h.Log()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(log, "runtime option BinaryName")
	}
	h.Eventually("the note is in the log", func() bool { return said() > 0 })
	h.Delete(h.Run(harness.Spec{ID: "two", Annotations: annotations, Options: o}))
	if n := said(); n != 1 {
		t.Errorf("said %d times, want once", n)
	}
}

// TestBinaryNameMissing wants a name refused that no program has, and nothing left.
func TestBinaryNameMissing(t *testing.T) {
	h := newNode(t)
	for _, name := range []string{"/nosuch/runc", "no-runc"} {
		o := runtimeOptions(t, h, func(o *options.Options) { o.BinaryName = name })
		_, err := h.Node.Create(h.Ctx(), harness.Spec{Options: o})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want an error that names it", name, err)
		}
	}
	h.CheckLeaks()
}

// TestRuntimePath runs the shim as a program under the name of another runtime,
// and as a runtime that is a path.
func TestRuntimePath(t *testing.T) {
	h := newNode(t)
	program, err := h.Tool(shimProgram[harness.Runtime(t)])
	if err != nil {
		t.Fatal(err)
	}
	o := runtimeOptions(t, h, func(*options.Options) {})
	for name, spec := range map[string]harness.Spec{
		"runtime path":    {Runtime: harness.Stock, Options: o, Task: []containerd.NewTaskOpts{containerd.WithRuntimePath(program)}},
		"runtime is path": {Runtime: program, Options: o},
	} {
		t.Run(name, func(t *testing.T) {
			h := h.In(t)
			c := h.Run(spec)
			if shim := theShim(t, h); filepath.Base(strings.Fields(shim.Command)[0]) != filepath.Base(program) {
				t.Errorf("the shim's command line is %q, want %s", shim.Command, program)
			}
			expectOutput(t, h, c, "alive", "echo", "alive")
			h.Kill(c, syscall.SIGKILL)
			if code := h.Wait(c); code != 137 {
				t.Errorf("exit code %d, want 137", code)
			}
			h.Delete(c)
			h.CheckLeaks()
		})
	}
}

// shimProgram are the names of the shims' binaries.
var shimProgram = map[string]string{
	harness.Stock: "containerd-shim-runc-v2", harness.Tango: "containerd-shim-tango-v2",
}
