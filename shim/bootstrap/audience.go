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

// forsakenSteps is in how many steps that time is counted. Clocks go on while a
// machine stands still, frozen by a cgroup or its hypervisor: of that the shim
// notices one step, and containerd has the others left to connect in.
const forsakenSteps = 30

// audience lets in whom the handshaker lets in, and calls alone when for some time
// nobody has been connected. It may be called any number of times.
type audience struct {
	ttrpc.Handshaker
	step  time.Duration
	alone func()

	mu    sync.Mutex // guards the following
	count int        // connections
	quiet int        // steps without any
	timer *time.Timer
}

func newAudience(h ttrpc.Handshaker, after time.Duration, alone func()) *audience {
	a := &audience{Handshaker: h, step: after / forsakenSteps, alone: alone}
	a.mu.Lock() // look may be called before there is a timer
	defer a.mu.Unlock()
	a.timer = time.AfterFunc(a.step, a.look)
	return a
}

// look counts a step without a connection.
func (a *audience) look() {
	if a.forsaken() {
		a.alone()
	}
}

func (a *audience) forsaken() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count > 0 {
		return false // has come as the timer went off
	}
	if a.quiet++; a.quiet < forsakenSteps {
		a.timer.Reset(a.step)
		return false
	}
	return true
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
	a.timer.Stop()
	return &listenerConn{Conn: conn, leave: sync.OnceFunc(a.leave)}, info, nil
}

func (a *audience) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count--; a.count == 0 {
		a.quiet = 0
		a.timer.Reset(a.step)
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
