package prelude

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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

// helperEnv has the test binary say what it is called.
const helperEnv = "TANGO_TEST_SAY_NAME"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		name, err := os.ReadFile("/proc/self/comm")
		fmt.Print(string(name), err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestEntry executes this very program by another path than it is told, and wants it to
// have the name that the prelude gives it, and to begin as any other after that.
func TestEntry(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"/somewhere/else/tango-prelude-test"}
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "tango-prelude-t\n<nil>" {
		t.Errorf("got %q, %v, want the first 15 bytes of its name", out, err)
	}
}
