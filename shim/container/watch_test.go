package container

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func openPidfd(t *testing.T, pid int) *os.File {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// The process is a zombie when awaitExit returns, and still there to be waited
// for, whether it ended before or after the call.
func TestAwaitExit(t *testing.T) {
	tests := []struct {
		name, script string
		signal       unix.Signal
		status       int
	}{
		{"code 0", "read x; true", 0, 0},
		{"code 7", "read x; exit 7", 0, 7},
		{"code 255", "read x; exit 255", 0, 255},
		{"SIGKILL", "read x", unix.SIGKILL, 137},
		{"SIGTERM", "read x", unix.SIGTERM, 143},
		{"SIGSEGV", "read x", unix.SIGSEGV, 139},
		{"its own SIGKILL", "read x; kill -9 $$", 0, 137},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("sh", "-c", tt.script)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			pidfd := openPidfd(t, cmd.Process.Pid)
			done := make(chan error, 1)
			go func() { done <- awaitExit(pidfd) }()
			select {
			case err := <-done:
				t.Fatalf("returned while the process runs: %v", err)
			default:
			}
			if tt.signal != 0 {
				err = unix.Kill(cmd.Process.Pid, tt.signal)
			} else {
				err = stdin.Close()
			}
			if err := errors.Join(err, <-done); err != nil {
				t.Fatal(err)
			}
			if s := state(cmd.Process.Pid); s != "Z" {
				t.Errorf("process is %q, want a zombie", s)
			}
			if err := awaitExit(pidfd); err != nil {
				t.Errorf("second time: %v", err)
			}
			_ = cmd.Wait()
			if got := exitStatus(cmd.ProcessState, nil); got != tt.status {
				t.Errorf("status %d, want %d", got, tt.status)
			}
		})
	}
}

func TestExitStatusOfTheUnknown(t *testing.T) {
	if got := exitStatus(nil, unix.ECHILD); got != 255 {
		t.Errorf("status %d, want 255", got)
	}
}
