package bootstrap

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/containerd/containerd/v2/pkg/shim"
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
		if !debug && shim.CanConnect(address) {
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

// remove closes the socket and takes its path away.
func (s *shimSocket) remove() {
	if s.file != nil {
		_ = s.file.Close()
	}
	_ = s.listener.Close()
	_ = shim.RemoveSocket(s.address)
}

// addresses are those at which the shim of the bundle in the working directory
// listens, or listened.
func (inv *invocation) addresses(ctx context.Context) []string {
	dir, err := os.Readlink(socketDirLink)
	if err != nil {
		return nil
	}
	group, err := groupOf(inv.id)
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

func removeSockets(addresses []string) {
	for _, address := range addresses {
		_ = shim.RemoveSocket(address)
	}
}

// removeDeadSockets takes away what a shim that is gone left behind. Another
// container of the pod may have one that lives: that one answers.
func removeDeadSockets(addresses []string) {
	for _, address := range addresses {
		if !shim.CanConnect(address) {
			_ = shim.RemoveSocket(address)
		}
	}
}
