package bootstrap

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
)

// forsakenAfter is how long a shim without a container stays when nobody is
// connected to it. containerd connects as soon as `start` has answered, and stays
// connected to every shim that it knows of; this is for one that it doesn't know,
// because it died between the two. Much longer than a machine under load stalls.
const forsakenAfter = 30 * time.Second

// audience lets in whom the handshaker lets in, and calls alone when for some time
// nobody has been connected. It may be called any number of times.
type audience struct {
	ttrpc.Handshaker
	after time.Duration

	mu    sync.Mutex  // guards the following
	count int         // connections
	alone *time.Timer // runs while there are none
}

func newAudience(h ttrpc.Handshaker, after time.Duration, alone func()) *audience {
	return &audience{Handshaker: h, after: after, alone: time.AfterFunc(after, alone)}
}

// Handshake counts a connection in.
func (a *audience) Handshake(ctx context.Context, conn net.Conn) (net.Conn, any, error) {
	conn, info, err := a.Handshaker.Handshake(ctx, conn)
	if err != nil {
		return nil, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count++
	a.alone.Stop()
	return &listenerConn{Conn: conn, leave: sync.OnceFunc(a.leave)}, info, nil
}

func (a *audience) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count--; a.count == 0 {
		a.alone.Reset(a.after)
	}
}

// listenerConn is a connection that is counted out when it is closed.
type listenerConn struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *listenerConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
