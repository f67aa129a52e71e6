package integration

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/errdefs"

	"tango/test/harness"
)

// TestContainerdRestart restarts containerd under a running container, in order
// and with SIGKILL, and goes on using it.
func TestContainerdRestart(t *testing.T) {
	for name, end := range map[string]func(*harness.Harness) error{
		"stop":  func(h *harness.Harness) error { return h.Stop() },
		"crash": func(h *harness.Harness) error { return h.Crash() },
	} {
		t.Run(name, func(t *testing.T) {
			h := newNode(t)
			c := h.Run(harness.Spec{Args: sh("trap 'echo usr1' USR1; trap 'echo usr2' USR2; echo ready; while :; do sleep 0.05; done")})
			h.Eventually("the traps are set", func() bool { return c.Stdout.String() == "ready\n" })
			pid := c.Task.Pid()
			reboot(t, h, end)
			if err := h.Reload(h.Ctx(), c); err != nil {
				t.Fatal(err)
			}
			if c.Task.Pid() != pid {
				t.Errorf("pid %d, was %d", c.Task.Pid(), pid)
			}
			expectStatus(t, h, c, containerd.Running)
			h.Kill(c, syscall.SIGUSR1)
			h.Eventually("the signal arrives", func() bool { return strings.Contains(c.Stdout.String(), "usr1\n") })
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

func reboot(t *testing.T, h *harness.Harness, end func(*harness.Harness) error) {
	t.Helper()
	if err := end(h); err != nil {
		t.Fatal(err)
	}
	if err := h.Boot(h.Ctx()); err != nil {
		t.Fatal(err)
	}
}

// TestExecExitWhileContainerdIsDown wants the exit of a process that ended while
// nobody listened.
func TestExecExitWhileContainerdIsDown(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{})
	e := h.Exec(c, harness.ExecSpec{ID: "mortal", Args: sh("trap 'exit 66' TERM; echo ready; while :; do sleep 0.05; done")})
	h.Eventually("the trap is set", func() bool { return e.Stdout.String() == "ready\n" })
	reboot(t, h, func(h *harness.Harness) error { return endWhileDown(h, int(e.Pid())) })
	if err := h.Reload(h.Ctx(), c); err != nil {
		t.Fatal(err)
	}
	process, err := c.Task.LoadProcess(h.Ctx(), "mortal", nil)
	if err != nil {
		t.Fatal(err)
	}
	exit, err := process.Delete(h.Ctx())
	if err != nil {
		t.Fatal(err)
	}
	if exit.ExitCode() != 66 {
		t.Errorf("exit code %d, want 66", exit.ExitCode())
	}
	expectOutput(t, h, c, "alive", "echo", "alive")
}

// endWhileDown stops containerd and then ends a process.
func endWhileDown(h *harness.Harness, pid int) error {
	if err := h.Stop(); err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return err
	}
	h.Eventually("the process has ended", func() bool { return syscall.Kill(pid, 0) != nil })
	return nil
}

// TestExitWhileContainerdIsDown ends a container while nobody listens.
// containerd takes its shim away when it is back, and all must be gone then.
func TestExitWhileContainerdIsDown(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{Args: sh("trap exit TERM; echo ready; while :; do sleep 0.05; done")})
	h.Eventually("the trap is set", func() bool { return c.Stdout.String() == "ready\n" }) // without, SIGTERM is nothing to process 1
	reboot(t, h, func(h *harness.Harness) error { return endWhileDown(h, int(c.Task.Pid())) })
	forget(t, h, c)
	h.CheckLeaks()
}

// forget deletes a container whose task containerd must have taken away itself.
func forget(t *testing.T, h *harness.Harness, c *harness.Container) {
	t.Helper()
	record, err := h.Client().LoadContainer(h.Ctx(), c.ID())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := record.Task(h.Ctx(), nil); !errdefs.IsNotFound(err) {
		t.Errorf("task: %v, want not found", err)
	}
	c.Container, c.Task = record, nil
	h.Delete(c)
}

// TestShimKilled wants containerd to learn of the containers' ends when their
// shim is killed, and nothing to be left.
func TestShimKilled(t *testing.T) {
	h := newNode(t)
	seen := h.Record()
	c := h.Run(harness.Spec{})
	h.Exec(c, harness.ExecSpec{Args: []string{"sleep", "1000"}})
	killShims(t, h)
	h.Eventually("the exit is reported", func() bool { return slices.Contains(seen.Topics(c.ID()), "/tasks/exit") })
	for _, e := range seen.Of(c.ID()) {
		if e.Topic == "/tasks/exit" && e.Exec == c.ID() && e.Status != 137 {
			t.Errorf("exit status %d, want 137", e.Status)
		}
	}
	h.Eventually("the process has ended", func() bool { return syscall.Kill(int(c.Task.Pid()), 0) != nil })
	h.Delete(c)
	h.CheckLeaks()
}

func killShims(t *testing.T, h *harness.Harness) {
	t.Helper()
	shims, err := h.Shims()
	if err != nil {
		t.Fatal(err)
	}
	if len(shims) == 0 {
		t.Fatal("no shim runs")
	}
	for _, shim := range shims {
		if err := syscall.Kill(shim.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
}

// TestShimKilledWhileCreated kills the shim of a container that has not started.
func TestShimKilledWhileCreated(t *testing.T) {
	h := newNode(t)
	c := h.Create(harness.Spec{UserNS: harness.NthUserNS(1)})
	killShims(t, h)
	h.Eventually("the process has ended", func() bool { return syscall.Kill(int(c.Task.Pid()), 0) != nil })
	h.Eventually("containerd has cleaned up", func() bool {
		_, err := c.Task.Status(h.Ctx())
		return errdefs.IsNotFound(err)
	})
	h.Delete(c)
	h.CheckLeaks()
}

// TestShimKilledWhileContainerdIsDown kills both, and wants containerd to clean
// up when it is back.
func TestShimKilledWhileContainerdIsDown(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{})
	pid := int(c.Task.Pid())
	reboot(t, h, func(h *harness.Harness) error {
		shims, err := h.Shims()
		if err != nil {
			return err
		}
		if err := h.Stop(); err != nil {
			return err
		}
		for _, shim := range shims {
			if err := syscall.Kill(shim.PID, syscall.SIGKILL); err != nil {
				return err
			}
		}
		return nil
	})
	h.Eventually("the process has ended", func() bool { return syscall.Kill(pid, 0) != nil })
	forget(t, h, c)
	h.CheckLeaks()
}
