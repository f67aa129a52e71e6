package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"tango/mounts/fault"
	"tango/shim/relay"
)

// Handler does what a process that containerd executed was told to do.
type Handler func(ctx context.Context, r *relay.Request, warm *Pool) relay.Reply

// maxRequests bounds the requests that are being answered: who comes then waits in
// the socket's queue, and does its work itself should that take too long.
const maxRequests = 256

// requestTimeout is how long who has connected may take to ask. The relay sends at
// once; who never does must not hold one of the places for good.
const requestTimeout = 10 * time.Second

// server answers relayed requests.
type server struct {
	listener *net.UnixListener
	path     string
	warm     *Pool
	cgroup   cgroup
	handle   Handler
	asked    atomic.Uint64 // requests that came
}

// newServer listens where the relay looks.
func newServer(ctx context.Context, c Config, own cgroup, handle Handler) (*server, error) {
	path := relay.Path(c.RunDir, c.Relay)
	_ = os.Remove(path) // of one that was killed
	l, err := listen(path)
	if err != nil {
		return nil, err
	}
	return &server{listener: l, path: path, warm: newPool(ctx, c, own), cgroup: own, handle: handle}, nil
}

// listen goes by way of the directory's descriptor: a path may be too long for a
// socket's address.
func listen(path string) (*net.UnixListener, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	name := "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + filepath.Base(path)
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: name, Net: "unixpacket"})
	if err != nil {
		return nil, fmt.Errorf("cannot listen at %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false) // it would look for the name
	return l, os.Chmod(path, 0o600)
}

// run answers until ctx is done, and returns when all answers are out.
func (s *server) run(ctx context.Context) {
	context.AfterFunc(ctx, func() {
		_ = os.Remove(s.path)
		_ = s.listener.Close()
	})
	var answering sync.WaitGroup
	defer s.warm.close()
	defer answering.Wait()
	slots := make(chan struct{}, maxRequests)
	for {
		slots <- struct{}{}
		conn, err := s.listener.AcceptUnix()
		if err != nil {
			return
		}
		answering.Go(func() {
			defer func() { <-slots }()
			s.answer(context.WithoutCancel(ctx), conn)
		})
	}
}

// answer deals with one connection. Whoever is not answered helps itself.
func (s *server) answer(ctx context.Context, conn *net.UnixConn) {
	defer conn.Close()
	fault.Here("host.accept")
	s.asked.Add(1)
	if err := conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		s.warm.warn(err)
		return
	}
	r, err := relay.Receive(conn)
	if err != nil {
		s.warm.warn(err)
		return
	}
	defer r.Stdin.Close()
	reply := relay.Reply{Status: relay.Declined}
	// The answer takes as long as it takes; who asked gives up by himself.
	_ = conn.SetDeadline(time.Time{})
	if surroundedAlike(int(r.Peer.Pid), s.cgroup) {
		reply = s.handle(ctx, r, s.warm)
	} else {
		s.warm.warn(errors.New("who asks has other cgroups, limits or namespaces than this service has from containerd, and starts its shim by itself"))
	}
	fault.Here("host.answer")
	if err := reply.Send(conn); err != nil {
		s.warm.warn(err)
	}
}
