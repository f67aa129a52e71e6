package initexe

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runc/libcontainer/exeseal"
	"golang.org/x/sys/unix"

	"tango/mounts/pidref"
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

// TestAdopt has a process that keeps the place for the program take it over from one that
// shares it, and from nobody else.
func TestAdopt(t *testing.T) {
	if !asShim(t) {
		return
	}
	executables := pidref.Dir(filepath.Join(t.TempDir(), "exe", "key"))
	Adopt(executables)
	if !isReserved() {
		t.Fatal("something was adopted, and nobody shares anything")
	}
	program := open(t)
	remove, err := Share(program, executables)
	if err != nil {
		t.Fatal(err)
	}
	Adopt(executables)
	if isReserved() {
		t.Fatal("the program was not adopted")
	}
	if got, want := identity(t, FD), identity(t, int(program.Fd())); got != want {
		t.Errorf("adopted %v, want the program, %v", got, want)
	}
	if flags, err := unix.FcntlInt(FD, unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("what is executed inherits the program: flags %#x, %v", flags, err)
	}
	remove()
	if left, _ := filepath.Glob(string(executables) + "*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestAdoptOnlyWhatWasKept wants a descriptor that is somebody else's to stay.
func TestAdoptOnlyWhatWasKept(t *testing.T) {
	if !asShim(t) {
		return
	}
	executables := pidref.Dir(filepath.Join(t.TempDir(), "exe", "key"))
	remove, err := Share(open(t), executables)
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	if err := unix.Dup3(int(os.Stdout.Fd()), FD, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	Keep()
	before := identity(t, FD)
	Adopt(executables)
	if after := identity(t, FD); after != before {
		t.Errorf("the descriptor was %v and is %v", before, after)
	}
}

// asShim runs a test as a process of its own that inherits what a shim does that is started
// without the program, and tells whether this is that process.
func asShim(t *testing.T) bool {
	t.Helper()
	if os.Getenv("TANGO_TEST_AS_SHIM") != "" {
		Keep()
		return true
	}
	place, err := Reserve()
	if err != nil {
		t.Fatal(err)
	}
	defer place.Close()
	cmd := exec.Command(os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "TANGO_TEST_AS_SHIM=1")
	cmd.ExtraFiles = []*os.File{place, place} // the first is in the socket's place
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// identity is device and inode.
func identity(t *testing.T, fd int) [2]uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return [2]uint64{st.Dev, st.Ino}
}
