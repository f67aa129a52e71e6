package initexe

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/runc/libcontainer/exeseal"
)

// open returns the embedded program, which `make test` has built.
func open(t *testing.T) *os.File {
	t.Helper()
	f, err := Open()
	if err != nil {
		t.Fatalf("%v: run `make build` first", err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestSealed wants a container to find no binary that it could write to.
func TestSealed(t *testing.T) {
	if f := open(t); !exeseal.IsCloned(f) {
		t.Error("what containers start from is not sealed")
	}
}

// TestNoInitByItself executes the program as nobody is supposed to.
func TestNoInitByItself(t *testing.T) {
	out, err := exec.Command(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), open(t).Fd())).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "containerd-shim-tango-v2") {
		t.Errorf("got %v, %q, want a hint at what it is for", err, out)
	}
}
