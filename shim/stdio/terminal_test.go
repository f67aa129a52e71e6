package stdio

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// ptyPair opens a pseudo-terminal as runc's init does.
func ptyPair(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd()) // blocking from here on, as the real one is
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// onTerminal runs a shell script on a terminal of its own, hands the master
// over, and starts s unless told otherwise.
func onTerminal(t *testing.T, s *IO, script string, args ...string) *process {
	t.Helper()
	p := spawnOnTerminal(t, s, script, args...)
	if err := s.Started(testContext(t)); err != nil {
		t.Fatal(err)
	}
	return p
}

func spawnOnTerminal(t *testing.T, s *IO, script string, args ...string) *process {
	t.Helper()
	master, slave := ptyPair(t)
	defer master.Close()
	defer slave.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p := launch(t, cmd)
	socket := s.Child().ConsoleSocket
	if err := unix.Sendmsg(int(socket.Fd()), []byte(master.Name()), unix.UnixRights(int(master.Fd())), nil, 0); err != nil {
		t.Fatal(err)
	}
	return p
}

// screen reads a terminal's output as far as wanted.
type screen struct {
	t    *testing.T
	file io.Reader
	got  []byte
}

// until reads on until the output has text in it.
func (s *screen) until(text string) {
	s.t.Helper()
	b := make([]byte, 1)
	for !bytes.Contains(s.got, []byte(text)) {
		if _, err := s.file.Read(b); err != nil {
			s.t.Fatalf("no %q in %q: %v", text, s.got, err)
		}
		s.got = append(s.got, b[0])
	}
	s.got = nil
}

// TestTerminal types lines, end of file and an interrupt.
func TestTerminal(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Terminal: true, Stdin: mkfifo(t, "in"), Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	show := &screen{t: t, file: dial(t, spec.Stdout)}
	p := onTerminal(t, s, `tty; cat; trap 'echo interrupted; exit 7' INT; echo armed; while :; do sleep 1; done`)
	in, err := os.OpenFile(spec.Stdin, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	show.until("/dev/pts/")
	for _, typed := range []struct{ keys, want string }{
		{"hello\n", "hello\r\nhello\r\n"},
		{"\x04", "armed"},
		{"\x03", "interrupted\r\n"},
	} {
		if _, err := in.WriteString(typed.keys); err != nil {
			t.Fatal(err)
		}
		show.until(typed.want)
	}
	if err := p.wait(t); err == nil || err.Error() != "exit status 7" {
		t.Fatalf("process ended with %v", err)
	}
	finish(t, s)
	if rest, err := io.ReadAll(show.file); err != nil || len(rest) > 0 {
		t.Fatalf("%q after the end, %v", rest, err)
	}
}

func TestResize(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Terminal: true, Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	if err := s.Resize(1, 1); err != nil {
		t.Fatalf("before there is a terminal: %v", err)
	}
	show := &screen{t: t, file: dial(t, spec.Stdout)}
	p := onTerminal(t, s, `trap 'stty size; exit 0' WINCH; echo armed; while :; do sleep 0.01; done`)
	show.until("armed")
	if err := s.Resize(123, 45); err != nil {
		t.Fatal(err)
	}
	show.until("45 123\r\n")
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	if err := s.Resize(1, 1); err == nil {
		t.Error("a closed terminal was resized")
	}
}

func TestResizeWithoutTerminal(t *testing.T) {
	checkLeaks(t)
	if err := open(t, Spec{}).Resize(80, 24); err != nil {
		t.Fatal(err)
	}
}

// TestTerminalTail has processes that end with their last word.
func TestTerminalTail(t *testing.T) {
	checkLeaks(t)
	for i := range 100 {
		spec := Spec{Terminal: true, Stdout: mkfifo(t, "out")}
		s := open(t, spec)
		out := readAll(t, spec.Stdout)
		p := onTerminal(t, s, `echo last words of $1`, fmt.Sprint(i))
		if err := p.wait(t); err != nil {
			t.Fatal(err)
		}
		finish(t, s)
		wantBytes(t, "output", out.bytes(t), fmt.Appendf(nil, "last words of %d\r\n", i))
	}
}

// TestTerminalLarge writes megabytes to a terminal.
func TestTerminalLarge(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Terminal: true, Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	out := readAll(t, spec.Stdout)
	p := onTerminal(t, s, `stty -opost; exec seq 1 500000`)
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	var want bytes.Buffer
	for i := 1; i <= 500000; i++ {
		fmt.Fprintln(&want, i)
	}
	wantBytes(t, "output", out.bytes(t), want.Bytes())
}

// TestTerminalSlowReader has the process gone while its output still waits for
// the reader.
func TestTerminalSlowReader(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Terminal: true, Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	client := dial(t, spec.Stdout)
	// More than the fifo holds, less than fifo, copy and terminal together.
	p := onTerminal(t, s, `stty -opost; exec head -c 68000 /dev/zero`)
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	s.Exited()
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if err := s.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Wait says %v with %d bytes unread", err, 68000)
	}
	var all bytes.Buffer
	if _, err := io.Copy(&all, client); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	wantBytes(t, "output", all.Bytes(), make([]byte, 68000))
}

// TestTerminalInput types megabytes at a process that reads slowly.
func TestTerminalInput(t *testing.T) {
	checkLeaks(t)
	const size = 2 << 20
	data := randomFile(t, size)
	content, err := os.ReadFile(data.path)
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{Terminal: true, Stdin: mkfifo(t, "in"), Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	out := dial(t, spec.Stdout)
	show := &screen{t: t, file: out}
	p := onTerminal(t, s, fmt.Sprintf(`stty raw -echo; echo ready; exec head -c %d`, size))
	show.until("ready\n")
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(spec.Stdin, content, 0) }()
	sum := sha256.New()
	if _, err := io.CopyN(sum, out, size); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	if !bytes.Equal(sum.Sum(nil), data.sum) {
		t.Fatal("the process read something else")
	}
}

// TestTerminalReopened has the process close its terminal and open it again.
func TestTerminalReopened(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Terminal: true, Stdin: mkfifo(t, "in"), Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	out := readAll(t, spec.Stdout)
	gate := mkfifo(t, "gate")
	p := onTerminal(t, s, `tty=$(tty); trap '' HUP; echo before
		exec </dev/null >/dev/null 2>&1
		read line <"$1"
		exec <$tty >$tty
		echo after
		read line
		echo got $line`, gate)
	eventually(t, "the terminal to be closed", func() bool {
		return terminalIsClosed(t, p.Process.Pid)
	}, stacks)
	if err := os.WriteFile(gate, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(spec.Stdin, []byte("input\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	for _, want := range []string{"before\r\n", "after\r\n", "got input\r\n"} {
		if !strings.Contains(string(out.bytes(t)), want) {
			t.Errorf("no %q in %q", want, out.bytes(t))
		}
	}
}

func terminalIsClosed(t *testing.T, pid int) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil || strings.HasPrefix(name, "/dev/pts/") {
			return false
		}
	}
	return true
}

// TestTerminalHangUp ends stdin: the process loses its terminal, and what it
// wrote before is not lost.
func TestTerminalHangUp(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Terminal: true, Stdin: mkfifo(t, "in"), Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	out := readAll(t, spec.Stdout)
	ready := filepath.Join(t.TempDir(), "ready")
	p := onTerminal(t, s, `echo here; echo -n >"$1"; exec sleep 60`, ready)
	eventually(t, "the process to be ready", func() bool { _, err := os.Stat(ready); return err == nil }, stacks)
	if err := s.CloseStdin(); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t); err == nil || err.Error() != "signal: hangup" {
		t.Fatalf("process ended with %v", err)
	}
	finish(t, s)
	wantBytes(t, "output", out.bytes(t), []byte("here\r\n"))
}

// TestHangUpWaits ends stdin while output still waits for its reader, in the
// fifo, in the copy and in the terminal.
func TestHangUpWaits(t *testing.T) {
	checkLeaks(t)
	const size = 72000 // 64 KiB, a read of at most 4 KiB, and the rest
	spec := Spec{Terminal: true, Stdin: mkfifo(t, "in"), Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	client := dial(t, spec.Stdout)
	ready := filepath.Join(t.TempDir(), "ready")
	p := onTerminal(t, s, fmt.Sprintf(`stty -opost; head -c %d /dev/zero; : >"$1"; exec sleep 60`, size), ready)
	eventually(t, "the process to be ready", func() bool { _, err := os.Stat(ready); return err == nil }, stacks)
	if err := s.CloseStdin(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the hang-up to begin", func() bool { return strings.Contains(stacks(), "stdio.hangUp(") }, stacks)
	var all bytes.Buffer
	if _, err := io.Copy(&all, client); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, "output", all.Bytes(), make([]byte, size))
	if err := p.wait(t); err == nil || err.Error() != "signal: hangup" {
		t.Fatalf("process ended with %v", err)
	}
	finish(t, s)
}

// TestTerminalClose closes under a running process.
func TestTerminalClose(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Terminal: true, Stdin: mkfifo(t, "in"), Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	show := &screen{t: t, file: dial(t, spec.Stdout)}
	p := onTerminal(t, s, `echo here; exec sleep 60`)
	show.until("here")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t); err == nil || err.Error() != "signal: hangup" {
		t.Fatalf("process ended with %v", err)
	}
}

// TestTerminalTargets sends a terminal's output elsewhere than to a fifo.
func TestTerminalTargets(t *testing.T) {
	checkLeaks(t)
	dir := t.TempDir()
	logger, logged := loggerScript(t, "binary-v2", collect)
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ stdout, file string }{
		{"", ""},
		{"file://" + dir + "/sub/log", dir + "/sub/log"},
		{plain, plain},
		{logger, logged + "/out"},
	} {
		s := open(t, Spec{Terminal: true, Stdout: c.stdout})
		p := onTerminal(t, s, "seq 1 20000; tty >/dev/null")
		if err := p.wait(t); err != nil {
			t.Fatal(err)
		}
		finish(t, s)
		if c.file == "" {
			continue
		}
		b, err := os.ReadFile(c.file)
		if err != nil || !bytes.HasSuffix(b, []byte("\r\n19999\r\n20000\r\n")) || len(b) != 128894 {
			t.Errorf("%s: %d bytes, %v", c.stdout, len(b), err)
		}
	}
}

// TestTerminalLoggerDies has the process go on without its logger.
func TestTerminalLoggerDies(t *testing.T) {
	checkLeaks(t)
	uri, _ := loggerScript(t, "binary", "exec 5>&-; exec sleep 60")
	s := open(t, Spec{Terminal: true, Stdout: uri})
	gate := mkfifo(t, "gate")
	p := onTerminal(t, s, `read line <"$1"; exec seq 1 100000`, gate)
	if err := unix.Kill(s.Pids()[0], unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the logger to be gone", func() bool { return s.Pids() == nil }, stacks)
	if err := os.WriteFile(gate, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	s.Exited()
	if err := s.Wait(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Fatalf("Close says %v", err)
	}
}

// TestExitedFirst has the process gone before its terminal is here.
func TestExitedFirst(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Terminal: true, Stdin: mkfifo(t, "in"), Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	out := readAll(t, spec.Stdout)
	p := spawnOnTerminal(t, s, "echo short")
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	s.Exited()
	if err := s.Started(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(testContext(t)); err != nil {
		t.Fatal(err)
	}
	wantBytes(t, "output", out.bytes(t), []byte("short\r\n"))
}

// TestNoTerminal has a peer that goes without sending one, sends nothing in
// time, or sends something else.
func TestNoTerminal(t *testing.T) {
	checkLeaks(t)
	s := open(t, Spec{Terminal: true})
	if err := s.Started(testContext(t)); err == nil || err.Error() != "failed to retrieve console master: unexpected EOF" {
		t.Errorf("peer is gone: %v", err)
	}

	s = open(t, Spec{Terminal: true})
	peer, err := unix.FcntlInt(s.Child().ConsoleSocket.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(peer)
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if err := s.Started(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("nothing sent: %v", err)
	}

	for _, fds := range [][]int{{1}, {0, 1}, {}} {
		s = open(t, Spec{Terminal: true})
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		for i := range fds {
			fds[i] = int(null.Fd())
		}
		var rights []byte
		if len(fds) > 0 {
			rights = unix.UnixRights(fds...)
		}
		if err := unix.Sendmsg(int(s.Child().ConsoleSocket.Fd()), []byte("x"), rights, nil, 0); err != nil {
			t.Fatal(err)
		}
		null.Close()
		err = s.Started(testContext(t))
		if err == nil || !strings.HasPrefix(err.Error(), "failed to retrieve console master: ") {
			t.Errorf("%d fds: %v", len(fds), err)
		}
		s.Close()
	}
}

// TestTerminalMissing names a fifo that is not there.
func TestTerminalMissing(t *testing.T) {
	checkLeaks(t)
	for _, spec := range []Spec{
		{Terminal: true, Stdout: "/none"},
		{Terminal: true, Stdin: mkfifo(t, "in"), Stdout: "/none"},
		{Terminal: true, Stdin: "/none", Stdout: mkfifo(t, "out")},
	} {
		s := open(t, spec)
		spawnOnTerminal(t, s, "exec sleep 60")
		err := s.Started(testContext(t))
		if err == nil || !strings.HasPrefix(err.Error(), "failed to start console copy: ") || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%+v: %v", spec, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
