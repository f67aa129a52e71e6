package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// calls counts what the observer sees while f runs.
func calls(f func()) (n int) {
	defer Observe(func(string, time.Duration, error) { n++ })()
	f()
	return n
}

// forget makes the next probes ask the kernel, as in a new process.
func forget() {
	for _, f := range All() {
		f.done, f.err = false, nil
	}
}

// detectOnce detects by the file and tells whether the kernel was asked.
func detectOnce(t *testing.T, file string) (f Features, asked bool) {
	t.Helper()
	forget()
	t.Cleanup(forget) // the file may have lied
	asked = calls(func() { f = got(DetectOnce(file))(t) }) > 0
	return f, asked
}

func TestDetectOnce(t *testing.T) {
	checkDescriptors(t)
	file := t.TempDir() + "/features"
	want := got(Detect())(t)
	for i, wantAsked := range []bool{true, false, false} {
		f, asked := detectOnce(t, file)
		if f != want || asked != wantAsked {
			t.Errorf("time %d: %+v, asked %v, want %+v, %v", i, f, asked, want, wantAsked)
		}
	}
	if entries := got(os.ReadDir(filepath.Dir(file)))(t); len(entries) != 1 {
		t.Errorf("more than the file: %v", entries)
	}
}

// What is in the file counts, not what the kernel has: no more than that shows
// that a process was spared the probes.
func TestDetectOnceBelievesTheFile(t *testing.T) {
	file := t.TempDir() + "/features"
	boot := got(bootID())(t)
	for _, want := range []Features{{}, {LowerdirPlus: true}, {IDMappedMounts: true, OpenTreeNamespace: true}} {
		must(t, os.WriteFile(file, []byte(want.text(boot)), 0o600))
		if f, asked := detectOnce(t, file); f != want || asked {
			t.Errorf("got %+v, asked %v, want %+v", f, asked, want)
		}
		for _, p := range want.fields() {
			if err := p.feature.Probe(); (err == nil) != *p.has || err != nil && !errors.Is(err, ErrNotSupported) {
				t.Errorf("%s: %v, want what the file says, %v", p.name, err, *p.has)
			}
		}
	}
}

func TestDetectOnceAsksAgain(t *testing.T) {
	checkDescriptors(t)
	boot := got(bootID())(t)
	lie := &Features{OpenTreeNamespace: true}
	good := lie.text(boot)
	for name, prepare := range map[string]func(file string) error{
		"another boot": func(file string) error {
			return os.WriteFile(file, []byte(lie.text("00000000-0000-0000-0000-000000000000")), 0o600)
		},
		"cut off": func(file string) error {
			return os.WriteFile(file, []byte(good[:len(good)-1]), 0o600)
		},
		"a feature less": func(file string) error {
			return os.WriteFile(file, []byte(strings.Replace(good, "LowerdirPlus false\n", "", 1)), 0o600)
		},
		"a feature more": func(file string) error {
			return os.WriteFile(file, []byte(good+"Other true\n"), 0o600)
		},
		"empty":     func(file string) error { return os.WriteFile(file, nil, 0o600) },
		"directory": func(file string) error { return os.Mkdir(file, 0o700) },
		"fifo":      func(file string) error { return unix.Mkfifo(file, 0o600) },
		"writable by others": func(file string) error {
			if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
				return err
			}
			return os.Chmod(file, 0o622)
		},
		"another owner": func(file string) error {
			if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
				return err
			}
			return os.Chown(file, 65534, 65534)
		},
		"symlink": func(file string) error {
			if err := os.WriteFile(file+".real", []byte(good), 0o600); err != nil {
				return err
			}
			return os.Symlink(file+".real", file)
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := t.TempDir() + "/features"
			must(t, prepare(file))
			want := got(Detect())(t)
			if f, asked := detectOnce(t, file); f != want || !asked {
				t.Errorf("got %+v, asked %v", f, asked)
			}
			// A directory stays in the way; all else is replaced.
			if _, asked := detectOnce(t, file); asked != (name == "directory") {
				t.Errorf("next time asked: %v", asked)
			}
		})
	}
}

func TestDetectOnceWithoutDirectory(t *testing.T) {
	want := got(Detect())(t)
	if f, asked := detectOnce(t, t.TempDir()+"/none/features"); f != want || !asked {
		t.Errorf("got %+v, asked %v", f, asked)
	}
}

// BenchmarkDetectOnce is what a shim pays when another one has asked before.
func BenchmarkDetectOnce(b *testing.B) {
	file := b.TempDir() + "/features"
	for b.Loop() {
		forget()
		if _, err := DetectOnce(file); err != nil {
			b.Fatal(err)
		}
	}
}
