package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// TestSignals sends signals by number, a real-time one too, and wants each to
// arrive.
func TestSignals(t *testing.T) {
	h := newNode(t)
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGTERM, syscall.Signal(40)} {
		script := fmt.Sprintf("trap 'echo got; exit %d' %d; echo ready; while :; do sleep 0.05; done", int(sig)+100, int(sig))
		c := h.Run(harness.Spec{Args: sh(script)})
		h.Eventually("the trap is set", func() bool { return c.Stdout.String() == "ready\n" })
		h.Kill(c, sig)
		if code := h.Wait(c); code != uint32(sig)+100 {
			t.Errorf("signal %d: exit code %d, want %d", sig, code, int(sig)+100)
		}
		h.Delete(c)
	}
}

// TestKillStubborn ends with SIGKILL what ignores SIGTERM, and its children.
func TestKillStubborn(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{Args: sh("trap '' TERM; sleep 1000 & sleep 1000 & echo ready; while :; do sleep 1; done")})
	h.Eventually("the trap is set", func() bool { return c.Stdout.String() == "ready\n" })
	h.Kill(c, syscall.SIGTERM)
	expectOutput(t, h, c, "alive", "echo", "alive")
	h.Kill(c, syscall.SIGKILL)
	if code := h.Wait(c); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
	h.Delete(c)
	h.CheckLeaks()
}

// TestKillAll wants every process of a container without a pid namespace of its
// own to end: the kernel does not do it there.
func TestKillAll(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{
		OCI:  []oci.SpecOpts{oci.WithHostNamespace(specs.PIDNamespace)},
		Args: sh("sleep 1000 & sleep 1000 & echo ready; wait"),
	})
	h.Eventually("the children run", func() bool { return c.Stdout.String() == "ready\n" })
	e := h.Exec(c, harness.ExecSpec{Args: []string{"sleep", "1000"}})
	h.Kill(c, syscall.SIGKILL, containerd.WithKillAll)
	if code := h.Wait(c); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
	if code := h.Finish(e); code != 137 {
		t.Errorf("exit code of the further process %d, want 137", code)
	}
	h.Delete(c)
	h.CheckLeaks()
}

// TestInitExitEndsRest wants what is left in a container without a pid
// namespace of its own to end when the first process does.
func TestInitExitEndsRest(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{
		OCI:  []oci.SpecOpts{oci.WithHostNamespace(specs.PIDNamespace)},
		Args: sh("sleep 1000 >/dev/null 2>&1 & exit 4"),
	})
	if code := h.Wait(c); code != 4 {
		t.Errorf("exit code %d, want 4", code)
	}
	h.Delete(c)
	h.CheckLeaks()
}

// TestExecEndsWithInit wants further processes to be killed, and their exit
// reported, when the first process ends.
func TestExecEndsWithInit(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{})
	e := h.Exec(c, harness.ExecSpec{Args: []string{"sleep", "1000"}})
	h.Kill(c, syscall.SIGKILL)
	if code := h.Wait(c); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
	if code := h.Finish(e); code != 137 {
		t.Errorf("exit code of the further process %d, want 137", code)
	}
}

// TestPauseResume wants a paused container to stand still, to refuse further
// processes, and to go on.
func TestPauseResume(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{Args: sh("while :; do echo tick; sleep 0.01; done")})
	h.Eventually("it ticks", func() bool { return c.Stdout.String() != "" })
	if err := c.Task.Pause(h.Ctx()); err != nil {
		t.Fatal(err)
	}
	expectStatus(t, h, c, containerd.Paused)
	e, err := c.NewExec(h.Ctx(), harness.ExecSpec{})
	if err == nil {
		err = e.Start(h.Ctx())
	}
	if err == nil {
		t.Error("a process was started in a paused container")
	}
	before := settledLength(c)
	if after := settledLength(c); after != before {
		t.Errorf("a paused container wrote %d bytes", after-before)
	}
	if err := c.Task.Resume(h.Ctx()); err != nil {
		t.Fatal(err)
	}
	expectStatus(t, h, c, containerd.Running)
	h.Eventually("it ticks again", func() bool { return len(c.Stdout.String()) > before })
}

// settledLength returns how much a container has written, after what was under
// way to the test has had time to arrive.
func settledLength(c *harness.Container) int {
	time.Sleep(100 * time.Millisecond)
	return len(c.Stdout.String())
}

// TestKillPaused wants a paused container to die at SIGKILL.
func TestKillPaused(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{})
	if err := c.Task.Pause(h.Ctx()); err != nil {
		t.Fatal(err)
	}
	h.Kill(c, syscall.SIGKILL)
	if err := c.Task.Resume(h.Ctx()); err != nil && !errdefs.IsNotFound(err) && !errdefs.IsFailedPrecondition(err) {
		t.Logf("resume after kill: %v", err) // a runtime may thaw by itself
	}
	if code := h.Wait(c); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
}

// TestPids wants all processes of a container, as the host numbers them.
func TestPids(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{Args: sh("sleep 1000 & sleep 1000 & echo ready; wait")})
	h.Eventually("the children run", func() bool { return c.Stdout.String() == "ready\n" })
	e := h.Exec(c, harness.ExecSpec{ID: "sleeper", Args: []string{"sleep", "1000"}})
	infos, err := c.Task.Pids(h.Ctx())
	if err != nil {
		t.Fatal(err)
	}
	var pids []uint32
	for _, info := range infos {
		pids = append(pids, info.Pid)
	}
	if len(pids) != 4 || !slices.Contains(pids, c.Task.Pid()) || !slices.Contains(pids, e.Pid()) {
		t.Errorf("pids %v: want 4, with %d and %d", pids, c.Task.Pid(), e.Pid())
	}
	if got := trimmed(h, c, "sh", "-c", "ls -d /proc/[0-9]* | wc -l"); !strings.HasPrefix(got, "6") && got != "7" {
		t.Errorf("%s processes in the container's own /proc", got) // 4, the shell, and the pipeline's programs
	}
}

// TestPauseAfterStart pauses containers that have just been started: what is frozen
// must be their program, not what executes it. The stock runtime's start takes a few
// milliseconds longer, in which that mostly has happened.
func TestPauseAfterStart(t *testing.T) {
	h := newNode(t)
	for range 8 {
		c := h.Run(harness.Spec{Runtime: harness.Tango, Args: []string{"/bin/sleep", "100000"}})
		if err := c.Task.Pause(h.Ctx()); err != nil {
			t.Fatal(err)
		}
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", c.Task.Pid())); err != nil || !strings.HasPrefix(exe, "/bin/") {
			t.Errorf("paused is %q, %v", exe, err)
		}
		if err := c.Task.Resume(h.Ctx()); err != nil {
			t.Fatal(err)
		}
		h.Delete(c)
	}
}
