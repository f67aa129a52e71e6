package integration

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"tango/test/harness"
)

// smallDisk puts containerd's state directory on a file system of a few megabytes,
// which fill fills, down to the last byte, and the returned function frees again.
func smallDisk(t *testing.T, h *harness.Harness) (fill func() (free func())) {
	t.Helper()
	state := filepath.Join(h.Dir(), "state")
	restart := func(between func() error) {
		if err := errors.Join(h.Stop(), between(), h.Boot(h.Ctx())); err != nil {
			t.Fatal(err)
		}
	}
	restart(func() error { return unix.Mount("tmpfs", state, "tmpfs", 0, "size=4m,mode=711") })
	t.Cleanup(func() { // before the harness looks for what is left
		if err := h.DeleteAll(h.Ctx()); err != nil {
			t.Error(err)
		}
		restart(func() error { return unix.Unmount(state, unix.MNT_DETACH) })
	})
	return func() func() {
		path := filepath.Join(state, "ballast")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{4096, 1} {
			for err = nil; err == nil; {
				_, err = f.Write(make([]byte, size))
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
		}
		return func() {
			if err := errors.Join(f.Close(), os.Remove(path)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestFullDisk wants containers to run on, lose no byte of output and end, with the
// right code, while nothing can be written below the state directory; new ones to be
// refused with a clear error, and nothing of them to be left.
func TestFullDisk(t *testing.T) {
	h := newNode(t)
	fill := smallDisk(t, h)
	seen := h.Record()
	in, trigger := io.Pipe()
	const size = 8 << 20
	writer := h.Run(harness.Spec{Stdin: in, Args: sh("read x; yes 0123456789abcde | head -c " + strconv.Itoa(size) + "; exit 9")})
	lost := h.Run(harness.Spec{Args: []string{"sleep", "1000"}})
	lostShim := shimOf(t, h, lost)
	idle := h.Run(harness.Spec{})
	free := fill()

	if _, err := h.Node.Run(h.Ctx(), harness.Spec{ID: "toomuch"}); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("a container without any space: %v", err)
	}
	if _, err := idle.Exec(h.Ctx(), harness.ExecSpec{}); err != nil && harness.Runtime(t) == harness.Tango && !strings.Contains(err.Error(), "no space left") {
		t.Errorf("an exec without any space: %v", err) // that it works is as good
	}
	if _, err := trigger.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if code := h.Wait(writer); code != 9 {
		t.Errorf("exit code %d, want 9", code)
	}
	if got := writer.Stdout.String(); len(got) != size || strings.Trim(got, "0123456789abcde\n") != "" || strings.Count(got, "\n") != size/16 {
		t.Errorf("%d bytes of output arrived, want %d, or they are others", len(got), size)
	}
	h.Delete(writer)
	if err := syscall.Kill(lostShim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.Eventually("the exit is told", func() bool { return slices.Contains(seen.Topics(lost.ID()), "/tasks/exit") })
	h.Delete(lost)
	h.Kill(idle, syscall.SIGKILL)
	if code := h.Wait(idle); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
	h.Delete(idle)
	if left, err := filepath.Glob(filepath.Dir(bundle(h, idle)) + "/*"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	free()
	again := h.Run(harness.Spec{})
	expectOutput(t, h, again, "alive", "echo", "alive")
	h.Delete(again)
}

// shimOf is the process id of a container's shim: the one whose
// command line names it.
func shimOf(t *testing.T, h *harness.Harness, c *harness.Container) int {
	t.Helper()
	shims, err := h.Shims()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shims {
		if strings.Contains(s.Command+" ", " -id "+c.ID()+" ") {
			return s.PID
		}
	}
	t.Fatalf("no shim of %s among %v", c.ID(), shims)
	return 0
}
