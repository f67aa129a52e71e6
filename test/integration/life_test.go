package integration

import (
	"syscall"
	"testing"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/errdefs"

	"tango/test/harness"
)

// TestLifeCycle goes through the states of a task: created, running, stopped,
// and what each of them refuses.
func TestLifeCycle(t *testing.T) {
	h := newNode(t)
	c := h.Create(harness.Spec{Args: sh("echo out; echo err >&2; read -r line; exit 7")})
	expectStatus(t, h, c, containerd.Created)
	if c.Task.Pid() == 0 {
		t.Error("a created task has no pid")
	}
	if c.Stdout.String() != "" {
		t.Errorf("a created container wrote %q", c.Stdout)
	}
	h.Start(c)
	if code := h.Wait(c); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
	expectStatus(t, h, c, containerd.Stopped)
	if c.Stdout.String() != "out\n" || c.Stderr.String() != "err\n" {
		t.Errorf("standard output %q, standard error %q", c.Stdout, c.Stderr)
	}
	if err := c.Start(h.Ctx()); err == nil {
		t.Error("a stopped container was started again")
	}
	if err := c.Kill(h.Ctx(), syscall.SIGTERM); !errdefs.IsNotFound(err) {
		t.Errorf("kill of a stopped container: %v, want not found", err)
	}
	h.Delete(c)
	h.CheckLeaks()
}

func expectStatus(t *testing.T, h *harness.Harness, c *harness.Container, want containerd.ProcessStatus) {
	t.Helper()
	status, err := c.Task.Status(h.Ctx())
	if err != nil {
		t.Fatal(err)
	}
	if status.Status != want {
		t.Errorf("status %q, want %q", status.Status, want)
	}
}

// TestExitCodes wants what a shell would report.
func TestExitCodes(t *testing.T) {
	h := newNode(t)
	for script, want := range map[string]uint32{
		"exit 0": 0, "exit 1": 1, "exit 255": 255,
		"kill -KILL $$": 137, "nosuchprogram": 127,
	} {
		// The first process of a pid namespace does not get signals that it
		// sends to itself: a child does it and passes the code on.
		c := h.Run(harness.Spec{Args: sh("sh -c '" + script + "'; exit $?")})
		if code := h.Wait(c); code != want {
			t.Errorf("%q: exit code %d, want %d", script, code, want)
		}
		h.Delete(c)
	}
}

// TestDeleteCreated deletes a container that was never started.
func TestDeleteCreated(t *testing.T) {
	h := newNode(t)
	c := h.Create(harness.Spec{})
	h.Delete(c)
	h.CheckLeaks()
}

// TestDeleteRunning wants a running container's task to refuse its deletion.
func TestDeleteRunning(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{})
	if _, err := c.Task.Delete(h.Ctx()); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("delete of a running task: %v, want failed precondition", err)
	}
	expectStatus(t, h, c, containerd.Running)
}

// TestCreateTwice wants the second task of a container to be refused and the
// first to live on.
func TestCreateTwice(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{})
	record, err := h.Client().LoadContainer(h.Ctx(), c.ID())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := record.NewTask(h.Ctx(), nullIO); !errdefs.IsAlreadyExists(err) {
		t.Errorf("second task: %v, want already exists", err)
	}
	expectOutput(t, h, c, "alive", "echo", "alive")
}

// TestManyContainers runs some containers at once, each with its own shim, and
// wants all to give their own answer.
func TestManyContainers(t *testing.T) {
	h := newNode(t)
	const count = 8
	type result struct {
		code uint32
		err  error
	}
	results := make([]chan result, count)
	for i := range results {
		results[i] = make(chan result, 1)
		go func() {
			c, err := h.Node.Run(h.Ctx(), harness.Spec{Args: sh("exit " + string(rune('0'+i)))})
			if err != nil {
				results[i] <- result{err: err}
				return
			}
			code, err := c.Wait(h.Ctx())
			results[i] <- result{code, err}
		}()
	}
	for i, c := range results {
		if r := <-c; r.err != nil || r.code != uint32(i) {
			t.Errorf("container %d ended with code %d, %v", i, r.code, r.err)
		}
	}
}
