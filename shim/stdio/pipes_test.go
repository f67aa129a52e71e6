package stdio

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestNull(t *testing.T) {
	checkLeaks(t)
	s := open(t, Spec{})
	if !s.Spec().IsNull() || len(s.Child().files()) != 0 {
		t.Fatalf("null IO has ends: %+v", s.Child())
	}
	p := start(t, s, "read line; echo lost; echo lost >&2")
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
}

func TestFifos(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Stdin: mkfifo(t, "in"), Stdout: mkfifo(t, "out"), Stderr: mkfifo(t, "err")}
	s := open(t, spec)
	out, errs := readAll(t, spec.Stdout), readAll(t, spec.Stderr)
	p := start(t, s, "read line; echo out $line; echo err $line >&2; exec cat")
	in, err := os.OpenFile(spec.Stdin, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.WriteString("one\ntwo\n"); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := s.CloseStdin(); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	wantBytes(t, "stdout", out.bytes(t), []byte("out one\ntwo\n"))
	wantBytes(t, "stderr", errs.bytes(t), []byte("err one\n"))
	if err := errors.Join(s.Close(), s.CloseStdin()); err != nil {
		t.Fatalf("second close: %v", err)
	}
}

// TestOneStream has a stream that goes nowhere beside one that does.
func TestOneStream(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Stderr: mkfifo(t, "err")}
	s := open(t, spec)
	errs := readAll(t, spec.Stderr)
	p := start(t, s, "echo out; echo err >&2; cat")
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	wantBytes(t, "stderr", errs.bytes(t), []byte("err\n"))
}

func TestPipeOwner(t *testing.T) {
	checkLeaks(t)
	s, err := Open(testContext(t), Config{UID: 1234, GID: 5678, Spec: Spec{
		Stdin: mkfifo(t, "in"), Stdout: mkfifo(t, "out"), Stderr: mkfifo(t, "err"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, f := range s.Child().files() {
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			t.Fatal(err)
		}
		if st.Uid != 1234 || st.Gid != 5678 {
			t.Errorf("%s belongs to %d:%d", f.Name(), st.Uid, st.Gid)
		}
	}
}

// TestSlowReader has a process write far more than all buffers hold to a
// reader that takes its time.
func TestSlowReader(t *testing.T) {
	checkLeaks(t)
	const size = 64 << 20
	data := randomFile(t, size)
	spec := Spec{Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	client := dial(t, spec.Stdout)
	p := start(t, s, `exec cat "$1"`, data.path)

	sum := sha256.New()
	if _, err := io.CopyN(sum, client, 1<<20); err != nil {
		t.Fatal(err)
	}
	if !p.running() {
		t.Error("63 MiB were buffered somewhere")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	// Small reads, and the CPU given up between them.
	buf := make([]byte, 5000)
	n, err := io.CopyBuffer(yielding{sum}, onlyReader{client}, buf)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > size/4 {
		t.Errorf("%d bytes of heap for %d bytes of output", grown, size)
	}
	if n+1<<20 != size || !bytes.Equal(sum.Sum(nil), data.sum) {
		t.Fatalf("read %d of %d bytes, or not the same ones", n+1<<20, size)
	}
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
}

type yielding struct{ io.Writer }

func (y yielding) Write(p []byte) (int, error) {
	runtime.Gosched()
	return y.Writer.Write(p)
}

type onlyReader struct{ io.Reader }

// testData is a file of random bytes.
type testData struct {
	path string
	sum  []byte
}

func randomFile(t *testing.T, size int64) testData {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, sum), rand.Reader, size); err != nil {
		t.Fatal(err)
	}
	return testData{f.Name(), sum.Sum(nil)}
}

// dial opens a fifo to read from it, before or after there is a writer; it
// reads its end only after a writer was there.
func dial(t *testing.T, path string) io.ReadCloser {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { f.Close() })
	return f
}

// TestReaderRestart has readers come and go as containerd does when it is
// restarted. What one has not read, the next one gets.
func TestReaderRestart(t *testing.T) {
	checkLeaks(t)
	const size = 4 << 20
	data := randomFile(t, size)
	spec := Spec{Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	client := dial(t, spec.Stdout)
	p := start(t, s, `exec cat "$1"`, data.path)
	sum := sha256.New()
	for range 7 {
		if _, err := io.CopyN(sum, client, 300_001); err != nil {
			t.Fatal(err)
		}
		client.Close()
		client = dial(t, spec.Stdout)
	}
	if _, err := io.Copy(sum, client); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sum.Sum(nil), data.sum) {
		t.Fatal("readers together did not get what was written")
	}
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
}

// TestShortProcess has a process that is gone before the reader has come.
func TestShortProcess(t *testing.T) {
	checkLeaks(t)
	for i := range 50 {
		spec := Spec{Stdout: mkfifo(t, "out")}
		s := open(t, spec)
		p := spawn(t, s, "echo $1", fmt.Sprint(i))
		started := make(chan error, 1)
		go func() { started <- s.Started(testContext(t)) }()
		if err := p.wait(t); err != nil {
			t.Fatal(err)
		}
		out := readAll(t, spec.Stdout)
		if err := <-started; err != nil {
			t.Fatal(err)
		}
		finish(t, s)
		wantBytes(t, "stdout", out.bytes(t), fmt.Appendln(nil, i))
	}
}

func TestNoReader(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Stdin: mkfifo(t, "in"), Stdout: mkfifo(t, "out"), Stderr: mkfifo(t, "err")}
	s := open(t, spec)
	spawn(t, s, "exec cat")
	ctx, cancel := context.WithCancel(testContext(t))
	started := make(chan error, 1)
	go func() { started <- s.Started(ctx) }()
	eventually(t, "the open of stdout", func() bool { return strings.Contains(stacks(), "awaitReader") }, stacks)
	cancel()
	err := <-started
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	want := fmt.Sprintf("failed to start io pipe copy: unable to copy pipes: containerd-shim: opening w/o fifo %q failed: context canceled", spec.Stdout)
	if err.Error() != want {
		t.Fatalf("got  %v\nwant %v", err, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCloseWakesStarted closes an IO whose start waits for a reader.
func TestCloseWakesStarted(t *testing.T) {
	checkLeaks(t)
	s := open(t, Spec{Stdout: mkfifo(t, "out")})
	started := make(chan error, 1)
	go func() { started <- s.Started(testContext(t)) }()
	eventually(t, "the open of stdout", func() bool { return strings.Contains(stacks(), "awaitReader") }, stacks)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err == nil {
		t.Fatal("Started succeeded")
	}
	if err := s.Started(testContext(t)); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("Started after Close: %v", err)
	}
}

// TestStdinOutlivesClients has clients of stdin come and go; only CloseStdin
// ends it.
func TestStdinOutlivesClients(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Stdin: mkfifo(t, "in"), Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	out := readAll(t, spec.Stdout)
	p := start(t, s, "exec cat")
	for _, line := range []string{"one\n", "two\n", "three\n"} {
		if err := os.WriteFile(spec.Stdin, []byte(line), 0); err != nil {
			t.Fatal(err)
		}
	}
	if !p.running() {
		t.Error("stdin ended with a client")
	}
	if err := s.CloseStdin(); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	wantBytes(t, "stdout", out.bytes(t), []byte("one\ntwo\nthree\n"))
}

// TestStdinLarge sends more than pipes hold through a process, both ways.
func TestStdinLarge(t *testing.T) {
	checkLeaks(t)
	const size = 8 << 20
	data := randomFile(t, size)
	content, err := os.ReadFile(data.path)
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{Stdin: mkfifo(t, "in"), Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	out := readAll(t, spec.Stdout)
	p := start(t, s, "exec cat")
	if err := os.WriteFile(spec.Stdin, content, 0); err != nil {
		t.Fatal(err)
	}
	s.CloseStdin()
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	wantBytes(t, "stdout", out.bytes(t), content)
}

func TestCloseStdinBeforeStart(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Stdin: mkfifo(t, "in"), Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	out := readAll(t, spec.Stdout)
	if err := s.CloseStdin(); err != nil {
		t.Fatal(err)
	}
	p := start(t, s, "cat; echo end")
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	wantBytes(t, "stdout", out.bytes(t), []byte("end\n"))
}

// TestStdinUnread has a process that leaves its input alone.
func TestStdinUnread(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Stdin: mkfifo(t, "in")}
	s := open(t, spec)
	p := start(t, s, "exec sleep 60")
	in, err := os.OpenFile(spec.Stdin, os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	fill := make([]byte, 4096)
	// Until the process's pipe and then the fifo are full.
	eventually(t, "stdin to fill", func() bool {
		raw, err := in.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		full := false
		raw.Control(func(fd uintptr) {
			_, err := unix.Write(int(fd), fill)
			full = err == unix.EAGAIN
		})
		return full && sliceContains(stacks(), "spliceInto", "waitWrite")
	}, stacks)
	p.Process.Kill()
	p.wait(t)
	finish(t, s)
}

func sliceContains(s string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}

// TestStdinFile reads stdin from what is no fifo.
func TestStdinFile(t *testing.T) {
	checkLeaks(t)
	data := randomFile(t, 1<<20)
	spec := Spec{Stdin: data.path, Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	out := readAll(t, spec.Stdout)
	p := start(t, s, "exec cat")
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	if sum := sha256.Sum256(out.bytes(t)); !bytes.Equal(sum[:], data.sum) {
		t.Fatal("the process got something else")
	}
}

// TestInherited has the process leave a child behind that keeps stdout open.
func TestInherited(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Stdout: mkfifo(t, "out")}
	s := open(t, spec)
	out := readAll(t, spec.Stdout)
	left := mkfifo(t, "left")
	// The child ends when the test opens and closes the fifo.
	p := start(t, s, `echo here; read x <"$1" &`, left)
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	s.Exited()
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if err := s.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Wait says %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, nil, 0); err != nil {
		t.Fatal(err)
	}
	_ = out.bytes(t)
}

// TestCloseWithFullFifo closes an IO whose output nobody reads.
func TestCloseWithFullFifo(t *testing.T) {
	checkLeaks(t)
	spec := Spec{Stdout: mkfifo(t, "out"), Stderr: mkfifo(t, "err")}
	s := open(t, spec)
	dial(t, spec.Stdout)
	dial(t, spec.Stderr)
	p := start(t, s, "yes >&2 & exec yes")
	eventually(t, "both fifos to fill", func() bool {
		return strings.Count(stacks(), "spliceInto(") == 2 && strings.Count(stacks(), "waitWrite") == 2
	}, stacks)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if p.wait(t) == nil {
		t.Error("yes ended well")
	}
}

// TestStolenOutput has the source emptied by somebody else between the look at
// it and the splice, as a container can that opens its own stdout for reading:
// the copy must not wait for room in the destination, where there is some.
func TestStolenOutput(t *testing.T) {
	checkLeaks(t)
	src, srcW, err := newPipe("src", ourRead)
	if err != nil {
		t.Fatal(err)
	}
	dstR, dst, err := newPipe("dst", ourWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(src, srcW, dstR, dst)
	raw, err := dst.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := dst.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := spliceInto(raw, src.Fd()); err != nil {
		t.Fatal(err)
	}
}
