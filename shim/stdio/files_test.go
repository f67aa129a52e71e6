package stdio

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tango/mounts/kernel"
)

// TestLogFile has both streams in one file that is not there, and again in the
// same one.
func TestLogFile(t *testing.T) {
	checkLeaks(t)
	path := filepath.Join(t.TempDir(), "some", "where", "log")
	for range 2 {
		s := open(t, Spec{Stdout: "file://" + path, Stderr: "file://" + path})
		p := start(t, s, "for i in 1 2 3; do echo out; echo err >&2; done")
		if err := p.wait(t); err != nil {
			t.Fatal(err)
		}
		finish(t, s)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(b, []byte("out\n")) != 6 || bytes.Count(b, []byte("err\n")) != 6 || len(b) != 48 {
		t.Fatalf("the file has %q", b)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
}

func TestTwoLogFiles(t *testing.T) {
	checkLeaks(t)
	dir := t.TempDir()
	s := open(t, Spec{Stdout: "file://" + dir + "/out", Stderr: "file://" + dir + "/err"})
	p := start(t, s, "echo out; echo err >&2")
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	waitFor(t, dir+"/out", "out\n")
	waitFor(t, dir+"/err", "err\n")
}

// TestPlainFile names an existing file without a scheme, and a device.
func TestPlainFile(t *testing.T) {
	checkLeaks(t)
	path := filepath.Join(t.TempDir(), "100% plain?")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(testContext(t), Config{Spec: Spec{Stdout: path}}); err == nil {
		t.Fatal("a path that is no URI was taken") // as by the stock shim
	}
	plain := filepath.Join(filepath.Dir(path), "plain")
	if err := os.Rename(path, plain); err != nil {
		t.Fatal(err)
	}
	s := open(t, Spec{Stdout: plain, Stderr: "/dev/null"})
	p := start(t, s, "echo out; echo err >&2")
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	waitFor(t, plain, "before\nout\n")
}

// TestBrokenFile has a destination fail: the process goes on.
func TestBrokenFile(t *testing.T) {
	checkLeaks(t)
	s := open(t, Spec{Stdout: "/dev/full"})
	p := start(t, s, "head -c 1000000 /dev/zero")
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
}

// TestFullFilesystem has a log file that cannot grow for a while. The tmpfs is
// attached nowhere.
func TestFullFilesystem(t *testing.T) {
	checkLeaks(t)
	dir := tmpfs(t, "256k")
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, Spec{Stdout: "file://" + dir + "/log"})
	p := start(t, s, "seq 1 40000")
	eventually(t, "the filesystem to be full", func() bool {
		return strings.Contains(stacks(), "logFile).Write") && full(dir)
	}, stacks)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	var want bytes.Buffer
	for i := 1; i <= 40000; i++ {
		fmt.Fprintln(&want, i)
	}
	got, err := os.ReadFile(dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	wantBytes(t, "log", got, want.Bytes())
}

// TestCloseOnFullFilesystem does not wait for room that never comes.
func TestCloseOnFullFilesystem(t *testing.T) {
	checkLeaks(t)
	dir := tmpfs(t, "64k")
	s := open(t, Spec{Stdout: "file://" + dir + "/log"})
	p := start(t, s, "exec yes")
	eventually(t, "the filesystem to be full", func() bool { return full(dir) }, stacks)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
}

func full(dir string) bool {
	f, err := os.CreateTemp(dir, "probe")
	if err != nil {
		return true
	}
	defer os.Remove(f.Name())
	defer f.Close()
	_, err = f.Write(make([]byte, 1))
	return err != nil
}

// tmpfs makes a small filesystem and returns a path into it.
func tmpfs(t *testing.T, size string) string {
	t.Helper()
	fs, err := kernel.OpenFS("tmpfs")
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	if err := fs.SetString("size", size); err != nil {
		t.Fatal(err)
	}
	m, err := fs.Mount(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return fmt.Sprintf("/proc/self/fd/%d", m.Fd())
}

func TestRefused(t *testing.T) {
	checkLeaks(t)
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Stdout: "http://x/y"}, "unknown STDIO scheme http"},
		{Spec{Stdout: "a%zz"}, `unable to parse stdout uri: parse "a%zz": invalid URL escape "%zz"`},
		{Spec{Stderr: ":"}, `unable to parse stderr uri: parse ":": missing protocol scheme`},
		{Spec{Stderr: "binary:///bin/true"}, "cannot log stderr alone to binary:///bin/true: a logging binary is named by stdout and gets both"},
		{Spec{Stdout: "file:///proc/none/log"}, "mkdir /proc/none: no such file or directory"},
		{Spec{Stdout: "file://"}, "open : no such file or directory"},
	} {
		s, err := Open(testContext(t), Config{Spec: c.spec, Namespace: "test"})
		if err == nil {
			s.Close()
			t.Errorf("%+v was taken", c.spec)
		} else if err.Error() != c.want {
			t.Errorf("%+v:\n got %v\nwant %v", c.spec, err, c.want)
		}
	}
}

// TestMissing names what is not there, which shows at the start only.
func TestMissing(t *testing.T) {
	checkLeaks(t)
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Stdout: "/none"}, `failed to start io pipe copy: unable to copy pipes: containerd-shim: opening file "/none" failed: open /none: no such file or directory`},
		{Spec{Stdout: "/dev/null", Stderr: "/none"}, `failed to start io pipe copy: unable to copy pipes: containerd-shim: opening file "/none" failed: open /none: no such file or directory`},
		{Spec{Stdin: "/none"}, `failed to open stdin fifo /none: open /none: no such file or directory`},
		{Spec{Stdin: mkfifo(t, "in"), Stdout: "/none"}, `failed to start io pipe copy: unable to copy pipes: containerd-shim: opening file "/none" failed: open /none: no such file or directory`},
	} {
		s := open(t, c.spec)
		if err := s.Started(testContext(t)); err == nil || err.Error() != c.want {
			t.Errorf("%+v:\n got %v\nwant %v", c.spec, err, c.want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
