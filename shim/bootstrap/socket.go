package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/containerd/v2/pkg/shim"
	"github.com/containerd/ttrpc"
	"golang.org/x/sys/unix"
)

// shimSocket is a listening socket on its way from the start action, which
// makes it, to the daemon, which serves it.
type shimSocket struct {
	address  string
	listener *net.UnixListener
	file     *os.File
}

// listen binds the group's socket. served is true, and the socket has only an
// address, if another shim already answers there.
func listen(ctx context.Context, req request, group string, debug bool) (_ *shimSocket, served bool, _ error) {
	address, err := shim.CreateSocketAddress(ctx, req.socketDir, req.address, group, debug)
	if err != nil {
		return nil, false, err
	}
	l, err := shim.NewSocket(address)
	if shim.SocketEaddrinuse(err) {
		if !debug && listens(address) {
			return &shimSocket{address: address}, true, nil
		}
		if err := shim.RemoveSocket(address); err != nil {
			return nil, false, fmt.Errorf("cannot remove the socket of a dead shim: %w", err)
		}
		l, err = shim.NewSocket(address)
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot create the shim's socket: %w", err)
	}
	s := &shimSocket{address: address, listener: l}
	if s.file, err = l.File(); err != nil {
		s.remove()
		return nil, false, fmt.Errorf("cannot pass on the shim's socket: %w", err)
	}
	return s, false, nil
}

// path is where the socket's file is.
func (s *shimSocket) path() string { return strings.TrimPrefix(s.address, "unix://") }

// remove closes the socket and takes its path away.
func (s *shimSocket) remove() {
	s.close()
	_ = shim.RemoveSocket(s.address)
}

// close leaves the socket to whoever else has it open.
func (s *shimSocket) close() {
	if s.file != nil {
		_ = s.file.Close()
	}
	s.listener.SetUnlinkOnClose(false)
	_ = s.listener.Close()
}

// addresses are those at which the shim of a bundle listens, or listened.
func (inv *invocation) addresses(ctx context.Context, bundle string) []string {
	dir, err := os.Readlink(filepath.Join(bundle, socketDirLink))
	if err != nil {
		return nil
	}
	group, err := groupOf(bundle, inv.id)
	if err != nil {
		return nil
	}
	var out []string
	for _, debug := range []bool{false, true} {
		if address, err := shim.CreateSocketAddress(ctx, dir, inv.address, group, debug); err == nil {
			out = append(out, address)
		}
	}
	return out
}

// removeDeadSockets takes away what a shim that is gone left behind. Another
// container of the pod may have one that lives: that one answers.
func removeDeadSockets(ctx context.Context, addresses []string) {
	for _, address := range addresses {
		if !answers(ctx, address) {
			_ = shim.RemoveSocket(address)
		}
	}
}

// dial connects to a shim's socket, or fails, at once: the kernel makes connections,
// whatever the shim is doing.
func dial(address string) (net.Conn, error) {
	return net.Dial("unix", strings.TrimPrefix(address, "unix://"))
}

// nobodyThere tells that no process has the socket open. All else that can go wrong with
// a connection says nothing about the shim: that its queue is full (EAGAIN), say.
func nobodyThere(err error) bool {
	return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT)
}

// listens tells whether a process has the socket open. containerd's CanConnect allows a
// tenth of a second for that, which a busy machine may take to let the caller go on: a
// shim that lives would be taken for dead, and its pod get a second one.
func listens(address string) bool {
	conn, err := dial(address)
	if err != nil {
		return !nobodyThere(err)
	}
	_ = conn.Close()
	return true
}

// answerTimeout is how long a shim that takes connections may take to answer one. One
// that does neither this nor close it in time, a stopped one say, counts as alive.
const answerTimeout = 500 * time.Millisecond

// answers tells whether a shim lives at the address. That somebody takes connections
// is not enough: the kernel closes a killed process's descriptors one after the
// other, and containerd, which sees its connection close, may have us executed before
// it comes to the socket.
func answers(ctx context.Context, address string) bool {
	conn, err := dial(address)
	if err != nil {
		return !nobodyThere(err)
	}
	client := ttrpc.NewClient(conn)
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	_, err = taskapi.NewTTRPCTaskClient(client).Connect(ctx, &taskapi.ConnectRequest{})
	return !errors.Is(err, ttrpc.ErrClosed) // that there is no such container is an answer
}
