package userns_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"tango/mounts/userns"
)

// holdOnly makes this test binary a process that holds a namespace, for the test
// that kills one.
const holdOnly = "TANGO_USERNS_TEST_HOLD"

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "FAIL: these tests make user namespaces with maps, and need root")
		os.Exit(1)
	}
	if os.Getenv(holdOnly) != "" {
		holdAndWait()
	}
	code := m.Run()
	if err := children(unix.WALL); err != unix.ECHILD {
		fmt.Fprintln(os.Stderr, "FAIL: children are left:", err)
		code = 1
	}
	os.Exit(code)
}

// children is ECHILD if this process has no children that a wait with these
// flags sees. Nothing is reaped.
func children(flags int) error {
	return unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG|flags, nil)
}

// holdAndWait tells the pid of a holder and never returns.
func holdAndWait() {
	pid, err := userns.StartHolder()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(pid)
	select {}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
