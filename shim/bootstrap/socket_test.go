package bootstrap

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/ttrpc"
	"golang.org/x/sys/unix"
)

// socketRequest is one whose sockets go to a directory of the test. Paths of
// sockets are at most 107 bytes long.
func socketRequest(t *testing.T) (context.Context, request) {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return namespaces.WithNamespace(t.Context(), "ns"), request{id: "id", address: "/run/c.sock", socketDir: dir}
}

func mustListen(ctx context.Context, t *testing.T, r request, group string) *shimSocket {
	t.Helper()
	s, served, err := listen(ctx, r, group, false)
	if err != nil || served {
		t.Fatalf("served %v, %v; want a new socket", served, err)
	}
	t.Cleanup(s.remove)
	return s
}

func socketPath(address string) string { return strings.TrimPrefix(address, "unix://") }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func TestListenMakesASocketPerGroup(t *testing.T) {
	ctx, r := socketRequest(t)
	one, other := mustListen(ctx, t, r, "one"), mustListen(ctx, t, r, "other")
	if one.address == other.address || filepath.Dir(socketPath(one.address)) != r.socketDir {
		t.Errorf("addresses %s and %s", one.address, other.address)
	}
	st, err := os.Stat(socketPath(one.address))
	if err != nil || st.Mode().Perm()&0o077 != 0 {
		t.Errorf("socket: mode %v, %v; want it closed to others", st.Mode(), err)
	}
	l, err := net.FileListener(one.file) // as the daemon does
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	one.remove()
	if exists(socketPath(one.address)) {
		t.Error("not removed")
	}
}

func TestListenFindsALivingShim(t *testing.T) {
	ctx, r := socketRequest(t)
	living := mustListen(ctx, t, r, "group")
	s, served, err := listen(ctx, r, "group", false)
	if err != nil || !served || s.address != living.address {
		t.Errorf("got %+v, %v, %v; want the living shim's socket", s, served, err)
	}
	if s.listener != nil || s.file != nil {
		t.Error("took a socket that another shim has")
	}
}

func TestListenReplacesADeadShimsSocket(t *testing.T) {
	ctx, r := socketRequest(t)
	dead := mustListen(ctx, t, r, "group")
	dead.listener.SetUnlinkOnClose(false)
	if err := errors.Join(dead.listener.Close(), dead.file.Close()); err != nil {
		t.Fatal(err)
	}
	if !exists(socketPath(dead.address)) {
		t.Fatal("the dead shim has left no socket")
	}
	if s := mustListen(ctx, t, r, "group"); s.address != dead.address {
		t.Errorf("address %s, want %s", s.address, dead.address)
	}
}

func TestListenFails(t *testing.T) {
	_, r := socketRequest(t)
	if _, _, err := listen(t.Context(), r, "group", false); err == nil {
		t.Error("listened without a namespace")
	}
	r.socketDir = filepath.Join(r.socketDir, strings.Repeat("x", 120))
	if _, _, err := listen(namespaces.WithNamespace(t.Context(), "ns"), r, "group", false); err == nil || !strings.Contains(err.Error(), "cannot create the shim's socket") {
		t.Errorf("path too long: %v", err)
	}
}

// A delete for one container of a pod takes away what a dead shim left, but never
// the socket of the shim that serves the pod.
func TestRemoveDeadSockets(t *testing.T) {
	ctx, r := socketRequest(t)
	inv := &invocation{id: "id", address: r.address}
	inBundle(t, `{"annotations":{"io.kubernetes.cri.sandbox-id":"pod"}}`)
	if addresses := inv.addresses(ctx, "."); addresses != nil {
		t.Errorf("addresses %v of a shim that was never started here", addresses)
	}
	if err := r.rememberSocketDir("."); err != nil {
		t.Fatal(err)
	}
	s := mustListen(ctx, t, r, "pod")
	s.listener.SetUnlinkOnClose(false)
	addresses := inv.addresses(ctx, ".")
	if len(addresses) != 2 || addresses[0] != s.address || addresses[0] == addresses[1] {
		t.Fatalf("addresses %v, want %s and a debug socket", addresses, s.address)
	}
	removeDeadSockets(ctx, addresses)
	if !exists(socketPath(s.address)) {
		t.Error("removed the socket of a shim that takes its time")
	}
	if err := errors.Join(s.listener.Close(), s.file.Close()); err != nil {
		t.Fatal(err)
	}
	removeDeadSockets(ctx, addresses)
	if exists(socketPath(s.address)) {
		t.Error("left a dead shim's socket")
	}
}

// TestAnswers: a shim that serves is alive, whether it knows the container or not; one
// that closes its socket on who has just connected is not.
func TestAnswers(t *testing.T) {
	ctx, r := socketRequest(t)
	living := mustListen(ctx, t, r, "living")
	server, err := ttrpc.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, living.listener) }()
	if !answers(ctx, living.address) {
		t.Error("a shim that serves counts as dead")
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	<-served

	dying := mustListen(ctx, t, r, "dying")
	answer := make(chan bool)
	go func() { answer <- answers(ctx, dying.address) }()
	awaitConnection(t, dying.file)
	if err := errors.Join(dying.listener.Close(), dying.file.Close()); err != nil {
		t.Fatal(err)
	}
	if <-answer {
		t.Error("a shim that is dying counts as alive")
	}
}

// TestBusyShimIsAlive fills the queue of a shim that takes no connections: a pod must not
// get a second shim beside one that is only slow.
func TestBusyShimIsAlive(t *testing.T) {
	ctx, r := socketRequest(t)
	busy := mustListen(ctx, t, r, "busy")
	raw, err := busy.file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { err = unix.Listen(int(fd), 0) }); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		conn, err := dial(busy.address)
		if err != nil {
			break
		}
		defer conn.Close()
	}
	if _, err := dial(busy.address); !errors.Is(err, unix.EAGAIN) {
		t.Fatalf("got %v, want a full queue", err)
	}
	if _, served, err := listen(ctx, r, "busy", false); err != nil || !served {
		t.Errorf("served %v, %v; want the shim that is there", served, err)
	}
	if !answers(ctx, busy.address) {
		t.Error("a shim with a full queue counts as dead")
	}
}

// awaitConnection waits until somebody has connected.
func awaitConnection(t *testing.T, socket *os.File) {
	t.Helper()
	conn, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Control(func(fd uintptr) {
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
