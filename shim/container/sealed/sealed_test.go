package sealed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runc/libcontainer/exeseal"
	"golang.org/x/sys/unix"
)

// helperEnv has a copy of the test binary play a shim: it says whether it runs
// from a sealed copy, and stays until its stdin ends.
const helperEnv = "TANGO_TEST_SHIM"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		fmt.Println(exeseal.IsSelfExeCloned())
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	if os.Geteuid() != 0 {
		println("sealed: these tests look into other processes: run them as root")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// open is what each start does.
func open(t *testing.T, runDir string) *Executable {
	t.Helper()
	e, err := Open(runDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.File.Close() })
	return e
}

// startShim executes the copy and registers the process. end ends it.
func startShim(t *testing.T, e *Executable) (end func()) {
	t.Helper()
	cmd := exec.Command(fmt.Sprintf("/proc/self/fd/%d", e.File.Fd()))
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		if err := errors.Join(stdin.Close(), cmd.Wait()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	if err := e.Register(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "true\n" {
		t.Errorf("the process takes itself for sealed: %q, %v", line, err)
	}
	return end
}

func same(t *testing.T, a, b *Executable) bool {
	t.Helper()
	one, err := a.File.Stat()
	if err != nil {
		t.Fatal(err)
	}
	other, err := b.File.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return os.SameFile(one, other)
}

func TestCopyIsSealed(t *testing.T) {
	e := open(t, t.TempDir())
	seals, err := unix.FcntlInt(e.File.Fd(), unix.F_GET_SEALS, 0)
	if err != nil {
		t.Fatal(err)
	}
	const want = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if seals&want != want {
		t.Errorf("seals %#x, want %#x", seals, want)
	}
	w, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", e.File.Fd()), os.O_RDWR, 0)
	if err == nil {
		defer w.Close()
		if _, err := w.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("write: %v, want EPERM", err)
		}
		if err := w.Truncate(0); !errors.Is(err, unix.EPERM) {
			t.Errorf("truncate: %v, want EPERM", err)
		}
	}
	if flags, err := unix.FcntlInt(e.File.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags %#x, %v; want close-on-exec", flags, err)
	}
}

// One copy serves all starts of the binary, as long as any process runs it.
func TestOneCopyIsShared(t *testing.T) {
	runDir := t.TempDir()
	first := open(t, runDir)
	endFirst := startShim(t, first)
	second := open(t, runDir)
	if !same(t, first, second) {
		t.Error("the second start made a copy of its own")
	}
	endSecond := startShim(t, second)
	endFirst()
	third := open(t, runDir)
	if !same(t, first, third) {
		t.Error("the copy was lost with the first process though a second runs it")
	}
	endSecond()
	if fourth := open(t, runDir); same(t, first, fourth) {
		t.Error("found the copy of processes that have ended")
	}
}

// What runs from an unsealed file, or another file, is not taken over.
func TestOnlyASealedCopyIsTakenOver(t *testing.T) {
	runDir := t.TempDir()
	first := open(t, runDir)
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	if _, err := first.dir.Add(os.Getpid(), "exe", self); err != nil {
		t.Fatal(err)
	}
	second := open(t, runDir)
	if !exeseal.IsCloned(second.File) {
		t.Error("took the binary on disk for a sealed copy")
	}
}

func TestRegisterFailsForTheDead(t *testing.T) {
	e := open(t, t.TempDir())
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if err := e.Register(cmd.Process.Pid); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("err %v", err)
	}
}

// Directories of binaries that were replaced go when their processes have gone.
func TestLeftoversOfOtherBinariesAreSwept(t *testing.T) {
	runDir := t.TempDir()
	old := filepath.Join(runDir, "exe", "1-2-3-4")
	if err := os.MkdirAll(old, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/1/fd/99999", filepath.Join(old, "1.1.1")); err != nil {
		t.Fatal(err)
	}
	open(t, runDir)
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("leftover: %v", err)
	}
}
