package integration

import (
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"

	"tango/test/harness"
)

// nullIO discards all output.
var nullIO cio.Creator = cio.NullIO

// TestStdin writes to a container and to a further process, and closes.
func TestStdin(t *testing.T) {
	h := newNode(t)
	r, w := io.Pipe()
	c := h.Run(harness.Spec{Args: []string{"cat"}, Stdin: r})
	if _, err := io.WriteString(w, "to the container\n"); err != nil {
		t.Fatal(err)
	}
	h.Eventually("cat answers", func() bool { return c.Stdout.String() == "to the container\n" })

	execR, execW := io.Pipe()
	e := h.Exec(c, harness.ExecSpec{Args: []string{"cat"}, Stdin: execR})
	if _, err := io.WriteString(execW, "to the process\n"); err != nil {
		t.Fatal(err)
	}
	h.Eventually("the process answers", func() bool { return e.Stdout.String() == "to the process\n" })
	execW.Close()
	if err := e.CloseIO(h.Ctx(), containerd.WithStdinCloser); err != nil {
		t.Fatal(err)
	}
	if code := h.Finish(e); code != 0 {
		t.Errorf("the process ended with code %d", code)
	}
	w.Close()
	if err := c.Task.CloseIO(h.Ctx(), containerd.WithStdinCloser); err != nil {
		t.Fatal(err)
	}
	if code := h.Wait(c); code != 0 {
		t.Errorf("the container ended with code %d", code)
	}
}

// TestLargeOutput wants every byte, also those written just before the exit.
func TestLargeOutput(t *testing.T) {
	h := newNode(t)
	const lines = 200000
	c := h.Run(harness.Spec{Args: sh("seq 200000; echo end >&2")})
	if code := h.Wait(c); code != 0 {
		t.Fatalf("ended with code %d", code)
	}
	got := strings.Count(c.Stdout.String(), "\n")
	if got != lines || !strings.HasSuffix(c.Stdout.String(), "\n200000\n") || c.Stderr.String() != "end\n" {
		t.Errorf("got %d of %d lines, standard error %q", got, lines, c.Stderr)
	}
}

// TestTerminal gives a container and a process terminals and resizes them.
func TestTerminal(t *testing.T) {
	h := newNode(t)
	r, w := io.Pipe()
	c := h.Create(harness.Spec{Terminal: true, Stdin: r, Args: sh("tty; while read -r line; do stty size; done")})
	h.Start(c)
	h.Eventually("the terminal is there", func() bool { return strings.Contains(c.Stdout.String(), "/dev/pts/0") })
	if err := c.Task.Resize(h.Ctx(), 123, 45); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		t.Fatal(err)
	}
	h.Eventually("the new size shows", func() bool { return strings.Contains(c.Stdout.String(), "45 123") })

	er, ew := io.Pipe()
	e := h.Exec(c, harness.ExecSpec{Terminal: true, Stdin: er, Args: sh("tty; read -r line; stty size; test -t 0 && test -t 1 && test -t 2")})
	h.Eventually("the process has a terminal", func() bool { return strings.Contains(e.Stdout.String(), "/dev/pts/") })
	if err := e.Resize(h.Ctx(), 77, 33); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(ew, "\n"); err != nil {
		t.Fatal(err)
	}
	if code := h.Finish(e); code != 0 {
		t.Errorf("the process ended with code %d: %s", code, e.Stdout)
	}
	if !strings.Contains(e.Stdout.String(), "33 77") {
		t.Errorf("the process wrote %q, want its size, 33 77", e.Stdout)
	}
	w.Close()
	ew.Close()
}

// TestTerminalHangup wants the shell of a terminal to end at end of file.
func TestTerminalHangup(t *testing.T) {
	h := newNode(t)
	r, w := io.Pipe()
	c := h.Run(harness.Spec{Terminal: true, Stdin: r, Args: sh("cat; echo after")})
	if _, err := io.WriteString(w, "line\n\x04"); err != nil { // ^D on an empty line
		t.Fatal(err)
	}
	if code := h.Wait(c); code != 0 {
		t.Errorf("ended with code %d", code)
	}
	if !strings.HasSuffix(strings.TrimSpace(c.Stdout.String()), "after") {
		t.Errorf("wrote %q", c.Stdout)
	}
	w.Close()
}

// TestNullIO runs without any stream.
func TestNullIO(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{IO: nullIO, Args: sh("echo lost; echo lost >&2; readlink /proc/self/fd/0 /proc/self/fd/1; exit 5")})
	if code := h.Wait(c); code != 5 {
		t.Errorf("exit code %d, want 5", code)
	}
}

// TestFileLog wants output in a file, with a process's after the container's.
func TestFileLog(t *testing.T) {
	h := newNode(t)
	path := filepath.Join(hostDir(t, h, "logs"), "deep/below/container.log")
	c := h.Run(harness.Spec{IO: cio.LogFile(path), Args: sh("echo out; echo err >&2; exec sleep 1000")})
	h.Eventually("both lines are in the file", func() bool {
		data, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(data), "out\n") && strings.Contains(string(data), "err\n")
	})
	execLog := filepath.Join(h.Dir(), "logs/exec.log")
	if code := h.Finish(h.Exec(c, harness.ExecSpec{IO: cio.LogFile(execLog), Args: []string{"echo", "process"}})); code != 0 {
		t.Errorf("the process ended with code %d", code)
	}
	h.Eventually("the process's line is in its file", func() bool {
		data, err := os.ReadFile(execLog)
		return err == nil && string(data) == "process\n"
	})
}

// TestBinaryLog pipes output through a logging program: standard output on
// descriptor 3, standard error on 4, ready when 5 is closed.
func TestBinaryLog(t *testing.T) {
	h := newNode(t)
	dir := hostDir(t, h, "logs")
	logger := filepath.Join(dir, "logger")
	script := `#!/bin/bash
exec 5>&-
echo "$CONTAINER_NAMESPACE/$CONTAINER_ID $1" > "$2.who"
cat <&3 > "$2.out" &
cat <&4 > "$2.err" &
wait
`
	if err := os.WriteFile(logger, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "log")
	c := h.Run(harness.Spec{ID: "logged", IO: cio.BinaryIO(logger, map[string]string{"to": out}), Args: sh("echo out; echo err >&2")})
	if code := h.Wait(c); code != 0 {
		t.Errorf("ended with code %d", code)
	}
	h.Delete(c)
	for file, want := range map[string]string{".out": "out\n", ".err": "err\n", ".who": harness.Namespace + "/logged to\n"} {
		h.Eventually("the logger has written "+file, func() bool {
			data, err := os.ReadFile(out + file)
			return err == nil && string(data) == want
		})
	}
}

// TestBinaryLogMissing wants a clear error, and nothing left, where the logging
// program is not there.
func TestBinaryLogMissing(t *testing.T) {
	h := newNode(t)
	_, err := h.Node.Run(h.Ctx(), harness.Spec{IO: cio.BinaryIO("/nosuchlogger", nil)})
	if err == nil || !strings.Contains(err.Error(), "nosuchlogger") {
		t.Errorf("a container without its logger: %v, want an error that names the program", err)
	}
	h.CheckLeaks()
}

// TestUnknownScheme wants a log URI that nothing serves to be refused.
func TestUnknownScheme(t *testing.T) {
	h := newNode(t)
	u, err := url.Parse("carrier-pigeon:///roof")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Node.Run(h.Ctx(), harness.Spec{IO: cio.LogURI(u)}); err == nil {
		t.Error("a container with an unknown log scheme was started")
	}
	h.CheckLeaks()
}

// TestReaderGone wants a container to live on whose reader has closed its fifo.
func TestReaderGone(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{Args: sh("while :; do echo line; sleep 0.01; done")})
	h.Eventually("it writes", func() bool { return c.Stdout.String() != "" })
	c.Task.IO().Cancel()
	c.Task.IO().Close()
	expectOutput(t, h, c, "alive", "echo", "alive")
}
