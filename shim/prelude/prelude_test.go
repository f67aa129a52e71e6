package prelude

import (
	"debug/elf"
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
	for _, level := range []string{"-O0", "-O2", "-O3"} {
		for _, source := range sources {
			for _, name := range undefined(t, source, level) {
				if !strings.HasPrefix(name, "tango_") && name != "_GLOBAL_OFFSET_TABLE_" {
					t.Errorf("%s calls %s when it is compiled with %s", source, name, level)
				}
			}
		}
	}
}

// undefined are the symbols that an object of the source wants from elsewhere.
func undefined(t *testing.T, source, level string) []string {
	t.Helper()
	object := filepath.Join(t.TempDir(), "object.o")
	cc := exec.Command("gcc", "-c", level, "-fPIC", "-Wall", "-Wextra", "-Werror", "-fno-stack-protector", "-o", object, source)
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

// TestEntry wants this very program to have begun with the prelude.
func TestEntry(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatalf("this program has no symbols to find its entry by: %v", err)
	}
	for _, s := range symbols {
		if s.Name == "tangostart" && s.Value == f.Entry {
			return
		}
	}
	t.Errorf("the program begins at %#x, which is not tangostart", f.Entry)
}
