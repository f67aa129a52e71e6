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
