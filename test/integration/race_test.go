package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"

	"tango/test/harness"
)

// What containerd's suite has a program in runc's place for (TestIssue9103 and
// TestIssue10589, with runc-fp), without it: this works whatever runs containers.

// TestInitKilledBeforeStart is containerd issue 9103: a first process killed
// before its start was waited for in vain.
func TestInitKilledBeforeStart(t *testing.T) {
	h := newNode(t)
	c := h.Create(harness.Spec{})
	if status, err := c.Task.Status(h.Ctx()); err != nil || status.Status != containerd.Created {
		t.Errorf("status %q, %v; want created", status.Status, err)
	}
	if err := syscall.Kill(int(c.Task.Pid()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := h.Wait(c); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
	if status, err := c.Task.Status(h.Ctx()); err != nil || status.Status != containerd.Stopped {
		t.Errorf("status %q, %v; want stopped", status.Status, err)
	}
	h.Delete(c)
	h.CheckLeaks()
}

// gate is a logging program that tells when it runs, and holds up the start of the
// process whose output it gets until it is let go.
type gate struct{ dir string }

func newGate(t *testing.T, h *harness.Harness, name string) gate {
	t.Helper()
	g := gate{hostDir(t, h, name)}
	script := fmt.Sprintf("#!/bin/bash\n: > %[1]s/reached\nread -r < %[1]s/open\nexec 5>&-\ncat <&3 >/dev/null &\ncat <&4 >/dev/null &\nwait\n", g.dir)
	if err := errors.Join(syscall.Mkfifo(filepath.Join(g.dir, "open"), 0o600), os.WriteFile(filepath.Join(g.dir, "logger"), []byte(script), 0o700)); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g gate) io() cio.Creator { return cio.BinaryIO(filepath.Join(g.dir, "logger"), nil) }

func (g gate) reached() bool {
	_, err := os.Stat(filepath.Join(g.dir, "reached"))
	return err == nil
}

// open lets the process start. What is written stays in the fifo while it is open
// here, so that the logger may as well come later.
func (g gate) open(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(g.dir, "open"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
}

// TestExecStartedWhileInitDies is containerd issue 10589: an exec whose start was
// under way when the first process died kept that exit from being told.
func TestExecStartedWhileInitDies(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{Args: []string{"sleep", "1000"}})
	begin := func(name string) (gate, chan error) {
		g, done := newGate(t, h, name), make(chan error, 1)
		e, err := c.NewExec(h.Ctx(), harness.ExecSpec{Args: []string{"sleep", "1000"}, IO: g.io()})
		if err != nil {
			t.Fatal(err)
		}
		go func() { done <- e.Start(h.Ctx()) }()
		return g, done
	}
	first, firstDone := begin("first")
	h.Eventually("the first start is under way", first.reached)
	if err := syscall.Kill(int(c.Task.Pid()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second, secondDone := begin("second")
	h.Eventually("the second start is under way, or over", func() bool { return second.reached() || len(secondDone) > 0 })
	for _, s := range []struct {
		gate
		done chan error
	}{{first, firstDone}, {second, secondDone}} {
		s.open(t)
		if err := <-s.done; err == nil || strings.TrimSpace(err.Error()) == "" {
			t.Errorf("an exec started in a container that has ended: %v", err)
		}
	}
	if code := h.Wait(c); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
	if status, err := c.Task.Status(h.Ctx()); err != nil || status.Status != containerd.Stopped {
		t.Errorf("status %q, %v; want stopped", status.Status, err)
	}
	h.Delete(c)
	h.CheckLeaks()
}
