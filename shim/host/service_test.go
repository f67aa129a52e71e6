package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/pidref"
	"tango/shim/prelude"
	"tango/shim/relay"
)

// TestMain is a service, a warm shim that prints its role, a stranger, or the tests.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) > 1 && os.Args[1] == Action:
		err = mainFor(os.Getenv(idleEnv))
	case len(os.Args) > 1 && os.Args[1] == WarmAction:
		err = playRole()
	case len(os.Args) > 1 && os.Args[1] == attackAction:
		err = errors.Join(likeRelay(), attack(os.Args[2]))
	default:
		if err = likeRelay(); err == nil {
			os.Exit(m.Run())
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// likeRelay undoes what package os does to the soft limit of open files: the tests ask as
// the relay does, a program in C.
func likeRelay() error { return setFiles(prelude.InheritedFiles()) }

// setFiles sets the soft limit of open files, of this process and of whom it starts.
func setFiles(soft uint64) error {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	files.Cur = soft
	return syscall.Setrlimit(unix.RLIMIT_NOFILE, &files)
}

// idleEnv says after which time a service of these tests ends, if not the usual one.
const idleEnv = "TANGO_TEST_IDLE"

// mainFor is a service for a time.
func mainFor(idle string) error {
	if idle == "" {
		return Main(os.Args[2:], echo, count)
	}
	d, err := time.ParseDuration(idle)
	if err != nil {
		return err
	}
	return serve(os.Args[2:], echo, count, d)
}

// heard is the file of a service of these tests with a byte for each time that it was
// told that a container may come.
const heard = "heard"

func count() {
	f, err := os.OpenFile(filepath.Join(os.Args[2], heard), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return
	}
	_, _ = f.Write([]byte{1})
	_ = f.Close()
}

// echo answers with what it was asked; "become" makes a warm shim of it.
func echo(_ context.Context, r *relay.Request, warm *Pool) relay.Reply {
	in, _ := io.ReadAll(io.NewSectionReader(r.Stdin, 0, 100))
	switch r.Args[len(r.Args)-1] {
	case "stuck":
		select {}
	case "become":
		return become(r, warm)
	case "cgroup":
		return tellCgroup(warm)
	}
	return relay.Reply{Status: 7, Stdout: in, Stderr: []byte(r.Dir)}
}

// become passes the caller's role on to a warm shim, which answers on the socket.
func become(r *relay.Request, warm *Pool) relay.Reply {
	w := warm.Take()
	if w == nil {
		return relay.Reply{Status: relay.Declined}
	}
	socket, err := os.OpenFile(filepath.Join(r.Dir, "role"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return relay.Reply{Status: 1, Stderr: []byte(err.Error())}
	}
	defer socket.Close()
	if err := w.Become(Role{Args: r.Args, Env: []string{"A=b"}, Dir: r.Dir}, socket, ""); err != nil {
		return relay.Reply{Status: 1, Stderr: []byte(err.Error())}
	}
	return relay.Reply{Stdout: fmt.Append(nil, w.Pid)}
}

// playRole writes down what it is told to be, and what it looks like.
func playRole() error {
	args, socket, err := AwaitRole()
	if err != nil || socket == nil {
		return err
	}
	dir, _ := os.Getwd()
	line, _ := os.ReadFile("/proc/self/cmdline")
	_, err = fmt.Fprintf(socket, "%q %q %q %q", args, os.Environ(), dir, line)
	return err
}

// run starts a service and returns its process id and how it is found.
func run(t *testing.T) (Config, int) {
	t.Helper()
	dir := t.TempDir()
	c := Config{RunDir: dir, Executables: pidref.Dir(filepath.Join(dir, "exe", "key")), Relay: "test.relay", Bundles: dir}
	return c, runAs(t, c)
}

// runAs starts a service that is found so.
func runAs(t *testing.T, c Config) (pid int) {
	t.Helper()
	start(t, c)
	eventually(t, "a service listens", func() bool {
		conn, err := dial(c)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	pid = c.Executables.Holders()[0]
	t.Cleanup(func() {
		_ = unix.Kill(pid, unix.SIGKILL)
		ended(t, pid)
		SweepCgroups()
	})
	return pid
}

func start(t *testing.T, c Config) {
	t.Helper()
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	if err := Start(c, exe, os.Environ()); err != nil {
		t.Fatal(err)
	}
}

func dial(c Config) (*net.UnixConn, error) {
	return net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: relay.Path(c.RunDir, c.Relay), Net: "unixpacket"})
}

// eventually fails the test if it doesn't come true at all.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 600 {
		if holds() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("never: " + what)
}

func ended(t *testing.T, pid int) {
	t.Helper()
	eventually(t, "the service ends", func() bool {
		reaped, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
		return reaped == pid || err != nil
	})
}

// ask sends a request as the relay does, and returns the answer.
func ask(t *testing.T, c Config, dir, stdin string, args ...string) (status int, text string) {
	t.Helper()
	conn, err := dial(c)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := in.WriteString(stdin); err != nil {
		t.Fatal(err)
	}
	request := strings.Join(append([]string{"tango-relay-1", dir, fmt.Sprint(len(args))}, args...), "\x00") + "\x00"
	if _, _, err := conn.WriteMsgUnix([]byte(request), unix.UnixRights(int(in.Fd())), nil); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 1000)
	n, err := conn.Read(reply)
	if err != nil {
		t.Fatal(err)
	}
	if n == 1 {
		return int(reply[0]), ""
	}
	return int(reply[0]), string(reply[5:n])
}

func TestServiceAnswers(t *testing.T) {
	c, _ := run(t)
	for range 3 {
		if status, text := ask(t, c, "/some/where", "input", "shim", "start"); status != 7 || text != "input/some/where" {
			t.Errorf("got %d %q", status, text)
		}
	}
}

// TestServiceAnswersBelowTheHardLimit: a service in Go raises its soft limit of open
// files, the relay doesn't, and systemd gives services a soft one of 1,024.
func TestServiceAnswersBelowTheHardLimit(t *testing.T) {
	if err := setFiles(prelude.InheritedFiles() / 2); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = likeRelay() }()
	c, _ := run(t)
	if status, _ := ask(t, c, "/", "", "shim", "start"); status != 7 {
		t.Errorf("status %d", status)
	}
}

func TestServiceLivesOnAfterNonsense(t *testing.T) {
	c, _ := run(t)
	for _, nonsense := range []string{"x", "tango-relay-1\x00/\x001\x00", "tango-relay-1\x00/\x000\x00a\x00", strings.Repeat("y", 100_000)} {
		conn, err := dial(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(nonsense)); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 10)); n != 0 && err == nil {
			t.Errorf("%.20q was answered", nonsense)
		}
		_ = conn.Close()
	}
	if status, _ := ask(t, c, "/", "", "shim", "start"); status != 7 {
		t.Errorf("status %d after nonsense", status)
	}
}

func TestServiceMakesShimsBeforehand(t *testing.T) {
	c, _ := run(t)
	dir := t.TempDir()
	eventually(t, "a warm shim is ready", func() bool {
		status, _ := ask(t, c, dir, "", "shim", "-id", "x", "become")
		return status == 0
	})
	want := fmt.Sprintf("%q %q %q %q", []string{"shim", "-id", "x", "become"}, []string{"A=b"}, dir, "shim\x00-id\x00x\x00become\x00")
	var got []byte
	eventually(t, "it plays its role", func() bool {
		got, _ = os.ReadFile(filepath.Join(dir, "role"))
		return len(got) > 0
	})
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestAsManyAsWereMissed are made beforehand, and go, half at a time, when it is calm.
func TestAsManyAsWereMissed(t *testing.T) {
	p := newPool(t.Context(), Config{RunDir: t.TempDir()}, cgroup{})
	defer p.close()
	ready := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.ready)
	}
	const missed = 5
	for range 1 + missed { // the first has asked before there could be any
		if w := p.Take(); w != nil {
			t.Error("there is one before anybody has asked")
			w.Close()
		}
	}
	eventually(t, "one more for each that was missed", func() bool { return ready() == 1+missed })
	for _, want := range []int{3, 2, 1, 1} {
		p.thinOut() // as the timer does
		if n := ready(); n != want {
			t.Errorf("%d are left, want %d", n, want)
		}
	}
}

// stoppedShim is a warm shim that stands still, and a file that it can be told to serve.
func stoppedShim(t *testing.T, p *Pool) (*Warm, *os.File) {
	t.Helper()
	socket, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	w, err := p.start()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(w.Pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	return w, socket
}

// TestStoppedWarmShim stands still when it is told its role: it must not take it later,
// beside the shim that was started in its place.
func TestStoppedWarmShim(t *testing.T) {
	p := newPool(t.Context(), Config{RunDir: t.TempDir()}, cgroup{})
	defer p.close()
	w, socket := stoppedShim(t, p)
	if err := w.Become(Role{Args: []string{"shim"}, Dir: "/"}, socket, ""); err == nil {
		t.Error("a stopped process takes a role")
	}
	ended(t, w.Pid)
	if data, err := os.ReadFile(socket.Name()); err != nil || len(data) > 0 {
		t.Errorf("it has taken its role: %q, %v", data, err)
	}
}

// TestRoleOfAServiceThatDied is played all the same: who asked the service finds the socket
// served, by the shim that was just told.
func TestRoleOfAServiceThatDied(t *testing.T) {
	p := newPool(t.Context(), Config{RunDir: t.TempDir()}, cgroup{})
	defer p.close()
	w, socket := stoppedShim(t, p)
	if _, _, err := w.conn.WriteMsgUnix([]byte(`{"Args":["shim"],"Dir":"/"}`), unix.UnixRights(int(socket.Fd())), nil); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := unix.Kill(w.Pid, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it plays its role", func() bool {
		got, err := os.ReadFile(socket.Name())
		return err == nil && len(got) > 0
	})
}

// TestSocketOfAShimThatHasEnded is taken away, whether or not it was reached before.
func TestSocketOfAShimThatHasEnded(t *testing.T) {
	p := newPool(t.Context(), Config{RunDir: t.TempDir()}, cgroup{})
	defer p.close()
	path := filepath.Join(t.TempDir(), "socket")
	socket, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	w, err := p.start()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Become(Role{Args: []string{"shim"}, Dir: "/"}, socket, path); err != nil { // and ends
		t.Fatal(err)
	}
	eventually(t, "the socket's file is gone", func() bool {
		_, err := os.Lstat(path)
		return os.IsNotExist(err)
	})
}

// TestSocketOfAnotherShim at the path of one that has ended stays. The next file often
// has the same inode number.
func TestSocketOfAnotherShim(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	for range 20 {
		old := socketAt(path)
		if old != nil && os.Remove(path) != nil {
			t.Fatal("it cannot be replaced")
		}
		time.Sleep(20 * time.Millisecond) // filesystems' clocks tick every 4 ms or so
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		old.remove()
		if _, err := os.Lstat(path); err != nil {
			t.Fatal(err)
		}
	}
	socketAt(path + ".none").remove()
}

func TestServiceLeavesNothing(t *testing.T) {
	c, pid := run(t)
	start(t, c) // a second one ends at once
	if err := unix.Kill(pid, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended(t, pid)
	eventually(t, "nothing is left", func() bool {
		left, _ := filepath.Glob(c.RunDir + "/host/*")
		_, err := os.Lstat(string(c.Executables))
		return len(left) == 0 && os.IsNotExist(err)
	})
}

// TestServiceEndsWhenIdle: it stays as long as a shim holds what it keeps, and ends some
// time after the last one.
func TestServiceEndsWhenIdle(t *testing.T) {
	const soon = 200 * time.Millisecond
	t.Setenv(idleEnv, soon.String())
	dir := t.TempDir()
	c := Config{RunDir: dir, Executables: pidref.Dir(filepath.Join(dir, "exe", "key")), Relay: "test.relay", Bundles: dir}
	shim := exec.Command("sleep", "1000")
	if err := shim.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		_ = shim.Process.Kill()
		_ = shim.Wait() // it was killed
	})
	defer end()
	if _, err := c.Executables.Add(shim.Process.Pid, "exe", open(t, "/proc/self/exe")); err != nil {
		t.Fatal(err)
	}
	start(t, c)
	var pid int
	eventually(t, "a service runs", func() bool {
		for _, holder := range c.Executables.Holders() {
			if holder != shim.Process.Pid {
				pid = holder
			}
		}
		return pid != 0
	})
	time.Sleep(5 * soon)
	if reaped, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); reaped != 0 || err != nil {
		t.Fatalf("it has ended although there is a shim: %d, %v", reaped, err)
	}
	end()
	ended(t, pid)
}

func TestServiceKeepsTheTemplate(t *testing.T) {
	c, pid := run(t)
	eventually(t, "it holds a template", func() bool {
		held, _ := filepath.Glob(fmt.Sprintf("%s/mnt/*/%d.*", c.RunDir, pid))
		return len(held) == 1
	})
}

func TestOnlyShimsAreUsers(t *testing.T) {
	_, pid := run(t)
	if isShim(pid) {
		t.Error("a service counts as a user of what it keeps")
	}
	if !isShim(os.Getpid()) {
		t.Error("another process doesn't count")
	}
}

func TestServiceRefusesOtherArguments(t *testing.T) {
	if err := Main([]string{"one"}, nil, nil); err == nil {
		t.Error("no error")
	}
}

func TestSurroundingsTellProcessesApart(t *testing.T) {
	one, other := sleeper(t), sleeper(t)
	if one.limits == (limits{}) || one.cgroups == "" || one.users == "" || one.mounts == "" {
		t.Errorf("surroundings %+v", one)
	}
	if one != other {
		t.Errorf("%+v and %+v of two children of one process", one, other)
	}
	if limited := sleeper(t, "prlimit", "--core=7"); limited == one {
		t.Errorf("%+v of a process with another limit, too", limited)
	}
}

// sleeper starts a process that waits, by another program if that is given, and
// returns its surroundings.
func sleeper(t *testing.T, by ...string) surroundings {
	t.Helper()
	args := append(by, "sleep", "1000")
	child := exec.Command(args[0], args[1:]...)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = child.Process.Kill()
		_ = child.Wait() // it was killed
	})
	pid := child.Process.Pid
	eventually(t, "it sleeps", func() bool {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return bytes.HasPrefix(line, []byte("sleep"))
	})
	s, err := surroundingsOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestThrift: memory is given back once after requests, when there are no more.
func TestThrift(t *testing.T) {
	var saver thrift
	for i, look := range []struct {
		requests uint64
		gives    bool
	}{{0, false}, {0, false}, {3, false}, {5, false}, {5, true}, {5, false}, {6, false}, {6, true}, {6, false}} {
		if got := saver.look(look.requests); got != look.gives {
			t.Errorf("look %d, after %d requests: memory given back: %v", i, look.requests, got)
		}
	}
}
