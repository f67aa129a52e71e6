package prelude

import (
	"debug/elf"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNothingIsCalled wants the C code to get along with itself: what a library has is
// not there yet when it runs, and compilers put calls of memcpy, memset or strlen in
// the place of a loop, or of an initialization.
func TestNothingIsCalled(t *testing.T) {
	sources, err := filepath.Glob("*.c")
	if err != nil || len(sources) == 0 {
		t.Fatalf("got %q, %v, want C files", sources, err)
	}
	for _, flags := range [][]string{{"-O0"}, {"-O2"}, {"-O3"}, {"-O0", "-DTANGO_FAULTS"}, {"-O2", "-DTANGO_FAULTS"}} {
		for _, source := range sources {
			for _, name := range undefined(t, source, flags) {
				if !strings.HasPrefix(name, "tango_") && name != "_GLOBAL_OFFSET_TABLE_" {
					t.Errorf("%s calls %s when it is compiled with %s", source, name, flags)
				}
			}
		}
	}
}

// undefined are the symbols that an object of the source wants from elsewhere.
func undefined(t *testing.T, source string, flags []string) []string {
	t.Helper()
	object := filepath.Join(t.TempDir(), "object.o")
	args := append([]string{"-c", "-fPIC", "-Wall", "-Wextra", "-Werror", "-fno-stack-protector", "-o", object, source}, flags...)
	cc := exec.Command("gcc", args...)
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("cannot compile %s: %v\n%s", source, err, out)
	}
	f, err := elf.Open(object)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range symbols {
		if s.Section == elf.SHN_UNDEF && s.Name != "" {
			names = append(names, s.Name)
		}
	}
	return names
}

// helperEnv has the test binary say what it is called, or be a service that dies.
const helperEnv = "TANGO_TEST_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helperEnv) {
	case "name":
		name, err := os.ReadFile("/proc/self/comm")
		fmt.Print(string(name), err)
	case "dying service":
		dieSlowly(os.Args[1])
	default:
		os.Exit(m.Run())
	}
}

// helper is the test binary in another role.
func helper(role string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), helperEnv+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// TestEntry executes this very program by another path than it is told, and wants it to
// have the name that the prelude gives it, and to begin as any other after that.
func TestEntry(t *testing.T) {
	cmd := helper("name")
	cmd.Args = []string{"/somewhere/else/tango-prelude-test"}
	out, err := cmd.Output()
	if err != nil || string(out) != "tango-prelude-t\n<nil>" {
		t.Errorf("got %q, %v, want the first 15 bytes of its name", out, err)
	}
}

// dieSlowly listens as the host's service, takes one request, breaks off the connection,
// and has its other files open for a while yet, as a killed process may.
func dieSlowly(path string) {
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		panic(err)
	}
	fmt.Println("listening")
	conn, err := l.Accept()
	if err != nil {
		panic(err)
	}
	if n, err := conn.Read(make([]byte, MaxMessage)); n == 0 || err != nil {
		panic(fmt.Sprint(n, err))
	}
	_ = conn.Close()
	time.Sleep(300 * time.Millisecond)
}

// TestServiceThatDies wants a start whose service dies to do the work itself only when
// nothing of the service is left.
func TestServiceThatDies(t *testing.T) {
	dir := t.TempDir()
	name, err := SocketName()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "host"), 0o700); err != nil {
		t.Fatal(err)
	}
	service := helper("dying service", filepath.Join(dir, "host", name))
	out, err := service.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	start := helper("name", "start")
	start.Env = append(start.Env, "TANGO_RUN_DIR="+dir)
	said, startErr := start.Output()
	alive := running(t, service.Process.Pid)
	if err := service.Wait(); err != nil {
		t.Errorf("the service: %v", err)
	}
	if startErr != nil || string(said) != "exe\n<nil>" || alive {
		t.Errorf("start said %q, %v, and its service had ended: %t", said, startErr, !alive)
	}
}

// running tells whether a child has not ended yet.
func running(t *testing.T, pid int) bool {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}
