package private

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// insideEnv has the test's program enter and say where it is.
const insideEnv = "TANGO_TEST_PRIVATE"

func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) == "" {
		os.Exit(m.Run())
	}
	if err := Enter(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Print(namespace())
}

// namespace is the mount namespace of this thread.
func namespace() string {
	name, err := os.Readlink("/proc/thread-self/ns/mnt")
	if err != nil {
		return err.Error()
	}
	return name
}

func TestEnter(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test makes a mount namespace and needs root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	inside, err := cmd.Output()
	if err != nil || !strings.HasPrefix(string(inside), "mnt:[") || string(inside) == namespace() {
		t.Errorf("outside %s, inside %s, %v", namespace(), inside, err)
	}
}

func TestTable(t *testing.T) {
	lines, err := Table()
	if err != nil || len(lines) == 0 || !strings.Contains(lines[0], " - ") {
		t.Errorf("got %q, %v", lines, err)
	}
}
