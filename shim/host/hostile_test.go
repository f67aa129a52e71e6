package host

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/log"
	"golang.org/x/sys/unix"

	"tango/mounts/pidref"
	"tango/shim/relay"
)

// attackAction has the test binary ask at a socket as somebody else would.
const attackAction = "attack"

// attack sends a request that makes sense, and prints what came of it.
func attack(path string) error {
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		fmt.Print("unreachable")
		return nil
	}
	defer conn.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	_, _, _ = conn.WriteMsgUnix(goodRequest, unix.UnixRights(int(null.Fd())), nil) // may be closed already
	fmt.Print(verdict(conn))
	return nil
}

var goodRequest = []byte("tango-relay-1\x00/\x002\x00shim\x00start\x00")

// verdict is what the service makes of who has asked.
func verdict(conn *net.UnixConn) string {
	reply := make([]byte, 1000)
	n, err := conn.Read(reply)
	switch {
	case n == 0 || err != nil:
		return "refused"
	case int(reply[0]) == relay.Declined:
		return "declined"
	}
	return "answered"
}

// besieged is a service in this process, whose socket anybody can reach: what keeps
// others off normally is taken away, so that it is the service that refuses them.
type besieged struct {
	path string
	said *lines
}

// lines is what has been logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), "\n")
}

func besiege(t *testing.T) besieged {
	t.Helper()
	dir, err := os.MkdirTemp("", "tango-host-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := Config{RunDir: dir, Executables: pidref.Dir(filepath.Join(dir, "exe", "key")), Relay: "test.relay", Bundles: dir}
	path := relay.Path(dir, c.Relay)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	b := besieged{path: path, said: &lines{}}
	before := log.L.Logger.Out
	log.L.Logger.SetOutput(b.said)
	t.Cleanup(func() { log.L.Logger.SetOutput(before) })
	ctx, cancel := context.WithCancel(t.Context())
	s, err := newServer(ctx, c, cgroup{}, echo)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, filepath.Dir(path), path} {
		if err := os.Chmod(name, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan struct{})
	go func() { defer close(ended); s.run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return b
}

func (b besieged) dial(t *testing.T) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: b.path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// lives wants the service to answer whoever may ask.
func (b besieged) lives(t *testing.T) {
	t.Helper()
	conn, null := b.dial(t), open(t, os.DevNull)
	if _, _, err := conn.WriteMsgUnix(goodRequest, unix.UnixRights(int(null.Fd())), nil); err != nil {
		t.Fatal(err)
	}
	if got := verdict(conn); got != "answered" {
		t.Errorf("who may ask is %s", got)
	}
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestStrangers: another user, another user namespace's root, and a process of this
// user that is somewhere else (as one in a container with the socket mounted in),
// are not served; the first kind of trouble is logged once.
func TestStrangers(t *testing.T) {
	b := besiege(t)
	root := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100_000, Size: 1}}
	for name, test := range map[string]struct {
		attr *syscall.SysProcAttr
		by   []string
		want string
	}{
		"another user": {&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}, nil, "refused"},
		"another namespace's root": {&syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWUSER, UidMappings: root, GidMappings: root, Credential: &syscall.Credential{NoSetGroups: true},
		}, nil, "refused"},
		"another user namespace":  {&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: root, GidMappings: root}, nil, "declined"},
		"another mount namespace": {&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}, nil, "declined"},
		"other limits":            {nil, []string{"sh", "-c", "ulimit -n 77; exec \"$@\"", "-"}, "declined"},
		"this user":               {nil, nil, "answered"},
	} {
		args := append(test.by, "/proc/self/exe", attackAction, b.path)
		if test.by != nil {
			args[len(test.by)] = executable(t)
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.SysProcAttr = test.attr
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != test.want {
			t.Errorf("%s is %q, %v; want %s", name, out, err, test.want)
		}
	}
	b.lives(t)
	if n := b.said.count(); n != 1 {
		t.Errorf("logged %d lines, want one", n)
	}
}

// executable is the path of the test binary, for a program that starts it in turn.
func executable(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTamperedRequests: what is cut off, too large, or comes with other descriptors
// than one, is refused; nothing of it stays open.
func TestTamperedRequests(t *testing.T) {
	b := besiege(t)
	b.lives(t)
	null := open(t, os.DevNull)
	one := []int{int(null.Fd())}
	before := descriptors(t)
	for name, test := range map[string]struct {
		data []byte
		fds  []int
	}{
		"half":                {goodRequest[:len(goodRequest)-3], one},
		"another kind":        {[]byte("tango-relay-9\x00/\x001\x00a\x00"), one},
		"too large":           {append([]byte("tango-relay-1\x00/\x001\x00"), append(bytes.Repeat([]byte("a"), 140_000), 0)...), one},
		"arguments missing":   {[]byte("tango-relay-1\x00/\x0065535\x00a\x00"), one},
		"too many arguments":  {[]byte("tango-relay-1\x00/\x0099999999999\x00a\x00"), one},
		"relative directory":  {[]byte("tango-relay-1\x00..\x001\x00a\x00"), one},
		"no descriptor":       {goodRequest, nil},
		"two descriptors":     {goodRequest, append(one, one...)},
		"a hundred":           {goodRequest, copies(100, one[0])},
		"descriptor, no data": {nil, one},
	} {
		conn := b.dial(t)
		var control []byte
		if test.fds != nil {
			control = unix.UnixRights(test.fds...)
		}
		if _, _, err := conn.WriteMsgUnix(test.data, control, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := verdict(conn); got != "refused" {
			t.Errorf("%s: %s", name, got)
		}
		conn.Close()
	}
	eventually(t, "nothing of it is open", func() bool { return descriptors(t) <= before })
	b.lives(t)
	if n := b.said.count(); n != 1 {
		t.Errorf("logged %d lines, want one", n)
	}
}

func copies(n, fd int) (fds []int) {
	for range n {
		fds = append(fds, fd)
	}
	return fds
}

func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// TestOtherInput: a request's input that is no file is read without waiting for it.
func TestOtherInput(t *testing.T) {
	b := besiege(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, f := range []*os.File{r, w, open(t, t.TempDir()), open(t, "/dev/zero")} {
		conn := b.dial(t)
		if _, _, err := conn.WriteMsgUnix(goodRequest, unix.UnixRights(int(f.Fd())), nil); err != nil {
			t.Fatal(err)
		}
		if got := verdict(conn); got != "answered" {
			t.Errorf("with %s as input: %s", f.Name(), got)
		}
	}
}

// TestSilence: those who connect and never ask hold nobody else up for good.
func TestSilence(t *testing.T) {
	b := besiege(t)
	for range maxRequests {
		b.dial(t)
	}
	b.lives(t)
}
