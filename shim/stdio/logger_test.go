package stdio

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// loggerScript writes a shell script and returns it as a URI; dir is where it
// may leave files, its first argument.
func loggerScript(t *testing.T, scheme, script string) (uri, dir string) {
	t.Helper()
	dir = t.TempDir()
	path := filepath.Join(dir, "logger")
	// PATH is not in a logger's environment.
	script = "#!/bin/sh\nPATH=/usr/bin:/bin\ndir=$2\n" + script
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return scheme + "://" + path + "?dir=" + dir, dir
}

// collect is a well-behaved logger.
const collect = `
echo "$@" >$dir/args
env | grep ^CONTAINER | sort >$dir/env
printf x >&5
exec 5>&-
cat <&4 >$dir/err &
cat <&3 >$dir/out
wait
`

func TestLogger(t *testing.T) {
	checkLeaks(t)
	for _, scheme := range []string{"binary", "binary-v2"} {
		uri, dir := loggerScript(t, scheme, collect)
		s, err := Open(testContext(t), Config{
			ContainerID: "box", ExecID: "shell", Namespace: "test",
			Spec: Spec{Stdout: uri + "&b&a=1&a=2&c=x%20y", Stderr: uri},
		})
		if err != nil {
			t.Fatal(err)
		}
		pids := s.Pids()
		if len(pids) != 1 || unix.Kill(pids[0], 0) != nil {
			t.Fatalf("logger's pids: %v", pids)
		}
		p := start(t, s, "seq 1 50000; echo err >&2")
		if err := p.wait(t); err != nil {
			t.Fatal(err)
		}
		finish(t, s)
		if s.Pids() != nil {
			t.Errorf("logger's pids after the end: %v", s.Pids())
		}
		waitFor(t, dir+"/args", "dir "+dir+" b  a 1 c x y\n")
		waitFor(t, dir+"/env", "CONTAINER_ID=shell\nCONTAINER_NAMESPACE=test\n")
		waitFor(t, dir+"/err", "err\n")
		// Complete, as Close let the logger read to the end.
		out, err := os.ReadFile(dir + "/out")
		if err != nil || !bytes.HasSuffix(out, []byte("\n49999\n50000\n")) || len(out) != 288894 {
			t.Fatalf("%d bytes in the log, %v", len(out), err)
		}
	}
}

// TestLoggerAndStdin has a fifo for stdin beside a logger.
func TestLoggerAndStdin(t *testing.T) {
	checkLeaks(t)
	uri, dir := loggerScript(t, "binary", collect)
	spec := Spec{Stdin: mkfifo(t, "in"), Stdout: uri}
	s := open(t, spec)
	p := start(t, s, "exec cat")
	if err := os.WriteFile(spec.Stdin, []byte("typed"), 0); err != nil {
		t.Fatal(err)
	}
	s.CloseStdin()
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	waitFor(t, dir+"/out", "typed")
}

// TestLoggerNotReady has loggers that go away without a word: an error for
// binary-v2 only.
func TestLoggerNotReady(t *testing.T) {
	checkLeaks(t)
	uri, _ := loggerScript(t, "binary-v2", "exit 3")
	_, err := Open(testContext(t), Config{Namespace: "test", Spec: Spec{Stdout: uri}})
	if err == nil || err.Error() != "logging binary did not call ready (it may have crashed or exited prematurely)" {
		t.Fatalf("got %v", err)
	}
	uri, _ = loggerScript(t, "binary", "exit 3")
	s := open(t, Spec{Stdout: uri})
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("Close says %v", err)
	}
}

func TestLoggerNeverReady(t *testing.T) {
	checkLeaks(t)
	uri, _ := loggerScript(t, "binary", "exec sleep 60")
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, Config{Namespace: "test", Spec: Spec{Stdout: uri}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
}

func TestLoggerRefused(t *testing.T) {
	checkLeaks(t)
	for _, terminal := range []bool{false, true} {
		_, err := Open(testContext(t), Config{Spec: Spec{Stdout: "binary:///bin/true", Terminal: terminal}})
		if !errors.Is(err, errdefs.ErrFailedPrecondition) {
			t.Errorf("without namespace: %v", err)
		}
		_, err = Open(testContext(t), Config{Namespace: "test", Spec: Spec{Stdout: "binary:///none", Terminal: terminal}})
		if err == nil || err.Error() != "failed to start binary process: fork/exec /none: no such file or directory" {
			t.Errorf("missing binary: %v", err)
		}
	}
}

// TestLoggerDies has the logger killed: the process gets EPIPE, not a hang.
func TestLoggerDies(t *testing.T) {
	checkLeaks(t)
	uri, _ := loggerScript(t, "binary", "exec 5>&-; exec sleep 60")
	s := open(t, Spec{Stdout: uri})
	p := start(t, s, "exec yes")
	if !p.running() {
		t.Fatal("process is gone before its logger")
	}
	if err := unix.Kill(s.Pids()[0], unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t); err == nil || err.Error() != "signal: broken pipe" {
		t.Fatalf("yes ended with %v", err)
	}
	if err := s.Wait(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Fatalf("Close says %v", err)
	}
}

// TestLoggerStays has a logger that does not go when its input ends, but on
// SIGTERM.
func TestLoggerStays(t *testing.T) {
	checkLeaks(t)
	for _, script := range []string{
		"exec 5>&-; exec sleep 60", // dies of it
		"trap 'touch $dir/done; kill $!; exit 0' TERM; exec 5>&-; sleep 60 & wait", // handles it
	} {
		uri, dir := loggerScript(t, "binary", script)
		s := open(t, Spec{Stdout: uri})
		s.logger.drain = time.Millisecond
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(script, "trap") {
			waitFor(t, dir+"/done", "")
		}
	}
}

// TestLoggerIgnoresTerm has one that needs SIGKILL.
func TestLoggerIgnoresTerm(t *testing.T) {
	checkLeaks(t)
	uri, _ := loggerScript(t, "binary", "trap '' TERM; exec 5>&-; exec sleep 60")
	s := open(t, Spec{Stdout: uri})
	pid := s.Pids()[0]
	if s.logger.term != 12*time.Second {
		t.Errorf("a logger has %v for SIGTERM", s.logger.term)
	}
	s.logger.drain, s.logger.term = time.Second, 10*time.Millisecond
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Fatalf("logger is still there: %v", err)
	}
}
