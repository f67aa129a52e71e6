package integration

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tango/test/harness"
)

// withFilter lets everything pass but makes mkdir something else.
func withFilter(action specs.LinuxSeccompAction, change func(*specs.LinuxSeccomp)) []oci.SpecOpts {
	filter := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
		{Names: []string{"mkdir", "mkdirat"}, Action: action},
	}}
	if change != nil {
		change(filter)
	}
	return edit(func(s *oci.Spec) { s.Linux.Seccomp = filter })
}

// TestSeccompActions wants each action to have its effect on a container, and on
// a further process.
func TestSeccompActions(t *testing.T) {
	h := newNode(t)
	for _, test := range []struct {
		action specs.LinuxSeccompAction
		want   uint32 // exit code of mkdir, run by a shell that passes it on
	}{
		{specs.ActErrno, 1}, {specs.ActTrap, 128 + 31}, {specs.ActKillThread, 128 + 31},
		{specs.ActKillProcess, 128 + 31}, {specs.ActLog, 0}, {specs.ActAllow, 0},
	} {
		t.Run(string(test.action), func(t *testing.T) {
			h := h.In(t)
			script := sh("mkdir /x$$ 2>/dev/null; echo $?; exec sleep 1000")
			c := h.Run(harness.Spec{OCI: withFilter(test.action, nil), Args: script})
			defer h.Delete(c)
			h.Eventually("mkdir has ended", func() bool { return strings.HasSuffix(c.Stdout.String(), "\n") })
			if got := strings.TrimSpace(c.Stdout.String()); got != fmt.Sprint(test.want) {
				t.Errorf("mkdir ended with %s, want %d", got, test.want)
			}
			e := h.Exec(c, harness.ExecSpec{Args: sh("mkdir /y 2>/dev/null; exit $?")})
			if code := h.Finish(e); code != test.want {
				t.Errorf("in a further process mkdir ended with %d, want %d", code, test.want)
			}
		})
	}
}

// TestSeccompArguments lets a rule look at a call's argument.
func TestSeccompArguments(t *testing.T) {
	h := newNode(t)
	deny := func(name string, index uint) specs.LinuxSyscall {
		return specs.LinuxSyscall{
			Names: []string{name}, Action: specs.ActErrno, ErrnoRet: pointer(uint(syscall.EDQUOT)),
			Args: []specs.LinuxSeccompArg{{Index: index, Value: 0o700, Op: specs.OpEqualTo}},
		}
	}
	denyMode := func(f *specs.LinuxSeccomp) {
		f.Syscalls = []specs.LinuxSyscall{deny("chmod", 1), deny("fchmodat", 2)}
	}
	c := h.Run(harness.Spec{OCI: withFilter(specs.ActErrno, denyMode)})
	h.Output(c, "chmod", "755", "/home")
	if _, err := c.Output(h.Ctx(), "chmod", "700", "/home"); err == nil || !strings.Contains(err.Error(), "uota exceeded") {
		t.Errorf("chmod to mode 700: %v", err)
	}
}

// TestSeccompNotify has an agent outside decide about a container's calls: it is
// sent the listener and the state of the container, which waits for its answers.
func TestSeccompNotify(t *testing.T) {
	h := newNode(t)
	socket := filepath.Join(h.Dir(), "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	states := make(chan specs.ContainerProcessState, 2)
	go serveAgent(t, listener, states)
	c := h.Run(harness.Spec{
		ID:   "notified",
		Args: sh("mkdir /x 2>&1; exec sleep 1000"),
		OCI: withFilter(specs.ActNotify, func(f *specs.LinuxSeccomp) {
			f.ListenerPath, f.ListenerMetadata = socket, "for the agent"
		}),
	})
	h.Eventually("the answer has arrived", func() bool { return c.Stdout.String() != "" })
	if got := c.Stdout.String(); !strings.Contains(got, "Level 2 not synchronized") {
		t.Errorf("mkdir wrote %q, want the agent's error, EL2NSYNC", got)
	}
	checkState(t, <-states, int(c.Task.Pid()))
	e := h.Exec(c, harness.ExecSpec{Args: sh("mkdir /x 2>&1; true")})
	if code := h.Finish(e); code != 0 || !strings.Contains(e.Stdout.String(), "Level 2 not synchronized") {
		t.Errorf("a further process ended with %d and wrote %q", code, e.Stdout)
	}
	checkState(t, <-states, int(e.Pid()))
}

func checkState(t *testing.T, got specs.ContainerProcessState, pid int) {
	t.Helper()
	if got.State.ID != "notified" || got.Metadata != "for the agent" || got.Pid != pid || len(got.Fds) != 1 || got.Fds[0] != specs.SeccompFdName {
		t.Errorf("the agent was told %+v, want it to be about process %d", got, pid)
	}
}

// serveAgent takes what runtimes send and answers every call with EL2NSYNC, which
// nothing else returns.
func serveAgent(t *testing.T, l net.Listener, states chan<- specs.ContainerProcessState) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed: the test has ended
		}
		state, notify, err := receiveState(conn.(*net.UnixConn))
		conn.Close()
		if err != nil {
			t.Errorf("cannot read what the runtime sent: %v", err)
			return
		}
		states <- state
		go answerCalls(t, notify)
	}
}

func receiveState(conn *net.UnixConn) (state specs.ContainerProcessState, notify *os.File, err error) {
	data, control := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4))
	n, oob, _, _, err := conn.ReadMsgUnix(data, control)
	if err != nil {
		return state, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:oob])
	if err != nil || len(messages) != 1 {
		return state, nil, fmt.Errorf("%d control messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return state, nil, fmt.Errorf("%d descriptors: %w", len(fds), err)
	}
	unix.CloseOnExec(fds[0])
	return state, os.NewFile(uintptr(fds[0]), "seccomp listener"), json.Unmarshal(data[:n], &state)
}

// notification and response are struct seccomp_notif and seccomp_notif_resp of
// linux/seccomp.h.
type notification struct {
	id         uint64
	pid, flags uint32
	data       [64]byte
}

type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// callComes waits for a call; false means that nobody is left who could make one.
func callComes(fd uintptr) bool {
	events := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(events, -1)
		if err == nil {
			return events[0].Revents&unix.POLLIN != 0
		}
		if err != unix.EINTR {
			return false
		}
	}
}

// answerCalls ends with the last process that has the filter.
func answerCalls(t *testing.T, notify *os.File) {
	defer notify.Close()
	fd := notify.Fd()
	for callComes(fd) {
		var call notification
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&call)))
		if errno != 0 {
			continue // ENOENT: the caller has been killed meanwhile
		}
		answer := response{id: call.id, errno: -int32(unix.EL2NSYNC)}
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&answer)))
		if errno != 0 && errno != unix.ENOENT {
			t.Errorf("cannot answer: %v", errno)
			return
		}
	}
}

// TestSeccompNotifyWithoutAgent wants an error, in runc's words, where nobody
// listens.
func TestSeccompNotifyWithoutAgent(t *testing.T) {
	h := newNode(t)
	sameRefusal(t, h, harness.Spec{OCI: withFilter(specs.ActNotify, func(f *specs.LinuxSeccomp) {
		f.ListenerPath = filepath.Join(h.Dir(), "nosuchagent")
	})}, "nosuchagent")
	h.CheckLeaks()
}
