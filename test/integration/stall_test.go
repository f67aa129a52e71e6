package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tango/test/harness"
)

// What users have seen where the machine was so busy, with writing or for want of
// memory, that shims answered after containerd had given them up.

// giveUpAfter is how long a call to a shim that stands still is waited for.
const giveUpAfter = 500 * time.Millisecond

// whileStopped makes a call to a container's shim, which stands still until the call
// has been given up, and then goes on with it.
func whileStopped(t *testing.T, h *harness.Harness, shim int, call func(context.Context) error) {
	t.Helper()
	if err := syscall.Kill(shim, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h.Eventually("all of the shim stands still", func() bool { return allStopped(t, shim) })
	ctx, cancel := context.WithTimeout(h.Ctx(), giveUpAfter)
	defer cancel()
	err := call(ctx)
	if e := syscall.Kill(shim, syscall.SIGCONT); e != nil {
		t.Fatal(e)
	}
	if err == nil {
		t.Error("a call to a shim that stands still was answered")
	}
}

// allStopped tells whether each thread of the process is stopped (proc_pid_stat(5)).
func allStopped(t *testing.T, pid int) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		t.Fatal("no threads: ", err)
	}
	return !slices.ContainsFunc(threads, func(path string) bool {
		line, err := os.ReadFile(path)
		_, rest, _ := strings.Cut(string(line), ") ")
		return err == nil && !strings.HasPrefix(rest, "T ") // else it has ended
	})
}

// TestStartedOnce is containerd issue 10645: a start that comes too late, and is asked
// for again, is one start.
func TestStartedOnce(t *testing.T) {
	h := newNode(t)
	dir := hostDir(t, h, "starts")
	c := h.Create(harness.Spec{Args: sh("echo begun >> /starts/log; exec sleep 1000"), OCI: withMounts(bind(dir, "/starts", "rbind", "rw"))})
	whileStopped(t, h, shimOf(t, h, c), c.Start)
	again := make(chan error, 4)
	for range cap(again) {
		go func() { again <- c.Start(h.Ctx()) }()
	}
	started := 0
	for range cap(again) {
		if <-again == nil {
			started++
		}
	}
	if started > 1 { // none, if the first has come through
		t.Errorf("%d of the calls that came later say that they have started it", started)
	}
	read := func() string {
		log, err := os.ReadFile(filepath.Join(dir, "log"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(log)
	}
	h.Eventually("it has started", func() bool { return read() != "" })
	h.Kill(c, syscall.SIGKILL)
	if code := h.Wait(c); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
	if log := read(); log != "begun\n" {
		t.Errorf("it was started so: %q", log)
	}
	h.Delete(c)
	h.CheckLeaks()
}

// TestDeletedLate is containerd issues 9309, 7496 and 5708: a shim that could not answer
// a kill or a delete in time is gone when that is asked for again.
func TestDeletedLate(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{Args: []string{"sleep", "1000"}})
	shim := shimOf(t, h, c)
	whileStopped(t, h, shim, func(ctx context.Context) error { return c.Kill(ctx, syscall.SIGKILL) })
	h.Wait(c)
	whileStopped(t, h, shim, c.Delete)
	h.Eventually("it is deleted", func() bool { return c.Delete(h.Ctx()) == nil })
	h.Eventually("its shim is gone", func() bool { return syscall.Kill(shim, 0) != nil })
	h.CheckLeaks()
}
