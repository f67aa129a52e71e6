package container

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// helperEnv names the function that a copy of the test binary runs instead of
// the tests.
const helperEnv = "TANGO_TEST_HELPER"

// helpers need a process of their own: they change it, or its children are
// nobody else's.
var helpers = map[string]func() error{}

func TestMain(m *testing.M) {
	if name := os.Getenv(helperEnv); name != "" {
		if err := helpers[name](); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Geteuid() != 0 {
		println("container: these tests reap, trace and mount: run them as root")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// inHelper runs a helper and fails with what it says.
func inHelper(t *testing.T, name string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), helperEnv+"="+name)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", name, err, strings.TrimSpace(string(out)))
	}
}
