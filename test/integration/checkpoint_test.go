package integration

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/containerd/containerd/api/types/runc/options"
	containerd "github.com/containerd/containerd/v2/client"

	"tango/test/harness"
)

// needCriu skips a test where no criu works.
func needCriu(t *testing.T, h *harness.Harness) {
	t.Helper()
	program, err := h.Criu()
	var out []byte
	if err == nil {
		out, err = exec.Command(program, "check").CombinedOutput()
	}
	if err != nil {
		t.Skipf("THE PREMISE IS MISSING: criu does not work here, so checkpoint and restore are NOT tested: %v\n%s", err, out)
	}
}

// TestCheckpoint stops a counting container into an image and restores it: it
// must go on counting where it was.
func TestCheckpoint(t *testing.T) {
	h := newNode(t)
	needCriu(t, h)
	image := filepath.Join(h.Dir(), "checkpoint")
	c := h.Run(harness.Spec{IO: nullIO, Args: sh("i=0; while :; do i=$((i+1)); echo $i > /count; sleep 0.02; done")})
	count := func() int {
		n, err := strconv.Atoi(trimmed(h, c, "cat", "/count"))
		if err != nil {
			return 0 // between truncation and write
		}
		return n
	}
	h.Eventually("it counts", func() bool { return count() > 20 })
	if _, err := c.Task.Checkpoint(h.Ctx(), containerd.WithCheckpointImagePath(image), exitAfter); err != nil {
		t.Fatal(err)
	}
	if code := h.Wait(c); code != 137 {
		t.Logf("exit code after the checkpoint: %d", code)
	}
	if _, err := c.Task.Delete(h.Ctx()); err != nil {
		t.Fatal(err)
	}
	task, err := c.NewTask(h.Ctx(), nullIO, containerd.WithRestoreImagePath(image))
	if err != nil {
		t.Fatal(err)
	}
	c.Task = task
	h.Start(c)
	before := 0
	h.Eventually("the file is not empty, as it is between truncation and write", func() bool { before = count(); return before > 0 })
	if before < 20 {
		t.Errorf("it began anew: %d", before)
	}
	h.Eventually("it counts on", func() bool { return count() > before })
	h.Delete(c)
	h.CheckLeaks()
}

// exitAfter ends the container once its checkpoint is made.
func exitAfter(r *containerd.CheckpointTaskInfo) error {
	o, ok := r.Options.(*options.CheckpointOptions)
	if !ok {
		return fmt.Errorf("options of type %T", r.Options)
	}
	o.Exit = true
	return nil
}

// TestCheckpointUnavailable wants a clear error where criu cannot be run.
func TestCheckpointUnavailable(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{IO: nullIO})
	missing := filepath.Join(h.Dir(), "log") // exists, and holds no checkpoint
	if _, err := h.Node.Run(h.Ctx(), harness.Spec{IO: nullIO, Task: []containerd.NewTaskOpts{containerd.WithRestoreImagePath(missing)}}); err == nil {
		t.Error("a container was restored from an empty directory")
	} else if strings.TrimSpace(err.Error()) == "" {
		t.Error("the error says nothing")
	}
	expectOutput(t, h, c, "alive", "echo", "alive")
}
