package stdio

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain undoes nohup(1): what is ignored stays so across an exec, and what is
// handled doesn't; a terminal that hangs up must end its shell.
func TestMain(m *testing.M) {
	if signal.Ignored(unix.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), unix.SIGHUP)
	}
	os.Exit(m.Run())
}

// patience bounds waits for what has to come; no test measures with it.
const patience = 30 * time.Second

// checkLeaks fails t if, after everything else has been cleaned up, there are
// more goroutines, file descriptors or child processes than now. Call it first.
func checkLeaks(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests need root")
	}
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	t.Cleanup(func() {
		eventually(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines }, stacks)
		for fd, name := range openFiles(t) {
			if _, ok := files[fd]; !ok {
				t.Errorf("leaked fd %s: %s", fd, name)
			}
		}
		if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
			t.Errorf("leaked a child process: wait4 says %v", err)
		}
	})
}

func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}

// openFiles maps the numbers of open fds to what they are, without Go's own
// poller, which comes when it is first needed.
func openFiles(t *testing.T) map[string]string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range entries {
		name, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || strings.HasPrefix(name, "anon_inode:[event") {
			continue
		}
		files[e.Name()] = name
	}
	return files
}

// eventually waits for something that happens by itself.
func eventually(t *testing.T, what string, done func() bool, detail func() string) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s\n%s", what, detail())
		}
	}
}

// mkfifo makes a fifo with the name of a stream.
func mkfifo(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// testContext is over when the test has taken far too long.
func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// open is Open for a process "box" in namespace "test", closed with the test.
func open(t *testing.T, spec Spec) *IO {
	t.Helper()
	s, err := Open(testContext(t), Config{ContainerID: "box", Namespace: "test", Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// process is a started child with an IO.
type process struct {
	*exec.Cmd
	exit chan error
}

// start runs a shell script on the ends of s, without a terminal.
func start(t *testing.T, s *IO, script string, args ...string) *process {
	t.Helper()
	p := spawn(t, s, script, args...)
	if err := s.Started(testContext(t)); err != nil {
		t.Fatal(err)
	}
	return p
}

// spawn is start without Started.
func spawn(t *testing.T, s *IO, script string, args ...string) *process {
	t.Helper()
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, args...)...)
	child := s.Child()
	// A nil *os.File is not a nil interface.
	if child.Stdin != nil {
		cmd.Stdin = child.Stdin
	}
	if child.Stdout != nil {
		cmd.Stdout = child.Stdout
	}
	if child.Stderr != nil {
		cmd.Stderr = child.Stderr
	}
	return launch(t, cmd)
}

// launch starts cmd and sees to it that it is gone after the test.
func launch(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: cmd, exit: make(chan error, 1)}
	go func() { p.exit <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		p.exit <- <-p.exit
	})
	return p
}

// wait waits for the process and returns how it went.
func (p *process) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.exit:
		p.exit <- err
		return err
	case <-time.After(patience):
		t.Fatalf("process does not end\n%s", stacks())
		return nil
	}
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case err := <-p.exit:
		p.exit <- err
		return false
	default:
		return true
	}
}

// reader is a client's end of an output fifo.
type reader struct {
	all chan []byte
}

// readAll reads a fifo in the background until its end.
func readAll(t *testing.T, path string) *reader {
	t.Helper()
	r := &reader{all: make(chan []byte, 1)}
	// A blocking open waits for the writer; a non-blocking one would read
	// end of file before there is one.
	go func() {
		f, err := os.OpenFile(path, os.O_RDONLY, 0)
		if err != nil {
			r.all <- []byte(err.Error())
			return
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			b = fmt.Appendf(b, "<%v>", err)
		}
		r.all <- b
	}()
	t.Cleanup(func() {
		// Wakes a reader that never saw a writer.
		if f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0); err == nil {
			f.Close()
		}
		r.all <- <-r.all
	})
	return r
}

// bytes waits for the end of the stream.
func (r *reader) bytes(t *testing.T) []byte {
	t.Helper()
	select {
	case b := <-r.all:
		r.all <- b
		return b
	case <-time.After(patience):
		t.Fatalf("stream does not end\n%s", stacks())
		return nil
	}
}

// finish waits for the output of a process that is gone and closes s.
func finish(t *testing.T, s *IO) {
	t.Helper()
	s.Exited()
	if err := s.Wait(testContext(t)); err != nil {
		t.Fatalf("output is not drained: %v\n%s", err, stacks())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// wantBytes compares without printing megabytes.
func wantBytes(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	n := 0
	for n < len(got) && n < len(want) && got[n] == want[n] {
		n++
	}
	t.Fatalf("%s: got %d bytes, want %d; they differ from byte %d on: %.80q, want %.80q", what, len(got), len(want), n, got[n:], want[n:])
}

// waitFor waits for a file to have the wanted content.
func waitFor(t *testing.T, path, want string) {
	t.Helper()
	var got []byte
	eventually(t, path, func() bool {
		got, _ = os.ReadFile(path)
		return string(got) == want
	}, func() string { return fmt.Sprintf("%s has %.200q, want %.200q", path, got, want) })
}
