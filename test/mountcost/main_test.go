package mountcost

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"tango/test/harness"
)

// hostEnv tells a test process that its mount namespace is the tests' own.
const hostEnv = "TANGO_TEST_OWN_HOST"

// TestMain runs the tests in a mount namespace that plays the host's, and in which
// nobody else mounts anything: every change there is counted.
func TestMain(m *testing.M) {
	if os.Getenv(hostEnv) == "" {
		os.Exit(runOnOwnHost())
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		fmt.Fprintln(os.Stderr, "cannot cut the tests' mounts off:", err)
		os.Exit(1)
	}
	harness.Main(m)
}

// runOnOwnHost executes the test program once more, since a namespace is a
// thread's, and threads that exist already would keep theirs.
func runOnOwnHost() int {
	runtime.LockOSThread() // whose end Pdeathsig is about
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), hostEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGTERM}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "cannot run the tests in a mount namespace of their own (are you root?):", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}
