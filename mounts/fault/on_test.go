//go:build faults

package fault

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// begin gives the test a control directory of its own.
func begin(t *testing.T) (arm func(name, what string)) {
	control = t.TempDir()
	t.Cleanup(func() { control = "" })
	for _, dir := range []string{"armed", "fired", "seen"} {
		if err := os.Mkdir(filepath.Join(control, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return func(name, what string) {
		if err := os.WriteFile(filepath.Join(control, "armed", name), []byte(what), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestErrorComesOnce(t *testing.T) {
	arm := begin(t)
	arm("here", "ENOSPC")
	if err := Point("elsewhere"); err != nil {
		t.Errorf("a point that is not armed returns %v", err)
	}
	if err := Point("here"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	if err := Point("here"); err != nil {
		t.Errorf("the second passage returns %v", err)
	}
}

func TestSkip(t *testing.T) {
	arm := begin(t)
	arm("here", "EIO 2")
	for i := range 4 {
		if err := Point("here"); errors.Is(err, syscall.EIO) != (i == 2) {
			t.Errorf("passage %d returns %v", i, err)
		}
	}
}

// A point's program is run each time, gets what is said about the passage, and decides
// whether it is an error.
func TestProgram(t *testing.T) {
	begin(t)
	if err := os.Mkdir(filepath.Join(control, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho \"$*\"\n[ $1 = good ]\n"
	if err := os.WriteFile(filepath.Join(control, "run", "here"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Point("here", "good", "one"); err != nil {
			t.Error(err)
		}
		if err := Point("here", "bad", "one"); err == nil || !strings.Contains(err.Error(), "bad one") {
			t.Errorf("err %v, want what the program says", err)
		}
	}
	if err := Point("elsewhere", "bad"); err != nil {
		t.Errorf("a point without a program returns %v", err)
	}
}

func TestDelay(t *testing.T) {
	arm := begin(t)
	arm("here", "50ms")
	begun := time.Now()
	Here("here")
	if took := time.Since(begun); took < 50*time.Millisecond {
		t.Errorf("held up for %v only", took)
	}
}
