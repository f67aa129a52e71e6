package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/topology"
	"tango/mounts/worker"
)

// Request is work that a client asks for.
type Request struct {
	// Node is where the work belongs, see worker.AnyNode.
	Node topology.NodeID
	// Payload says what to do, up to MaxPayload bytes; the layers above know how.
	Payload []byte
	// Files are what to do it with, up to MaxFiles. Whoever gets a Request does
	// not own them; a server takes one over by setting it to nil.
	Files []*os.File
}

// Reply is what came of a Request. Its Files belong to who gets it.
type Reply struct {
	Payload []byte
	Files   []*os.File
}

// Close closes the files.
func (r Reply) Close() { closeFiles(r.Files) }

// Config says how a [Server] works.
type Config struct {
	// Workers do the work and lend their turn. They stay the caller's.
	Workers *worker.Workers
	// Work does what a request says; nil refuses all. It runs on a goroutine of
	// its own, with a context that ends with the client's patience or connection.
	Work func(context.Context, Request) (Reply, error)
	// MaxConnections is how many there may be at once; if 0, a quarter of the
	// descriptors that the process may open, at most 4096.
	MaxConnections int
	// MaxHold is the longest that a turn is lent for; 10 s if 0.
	MaxHold time.Duration
	// Idle is after which time a connection is closed on which nothing goes on;
	// 1 minute if 0.
	Idle time.Duration
	// Log takes what an operator should know, a line at a time, each kind at most
	// once a minute; nil drops it.
	Log func(line string)
}

func (c Config) withDefaults() Config {
	if c.MaxConnections <= 0 {
		c.MaxConnections = affordable()
	}
	if c.MaxHold <= 0 {
		c.MaxHold = 10 * time.Second
	}
	if c.Idle <= 0 {
		c.Idle = time.Minute
	}
	if c.Log == nil {
		c.Log = func(string) {}
	}
	return c
}

// affordable is how many connections leave room for the work's own descriptors.
func affordable() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 128
	}
	return int(max(min(limit.Cur/4, 4096), 16))
}

// Server answers requests. It is safe for concurrent use.
type Server struct {
	config   Config
	log      *sparingLog
	sessions sync.WaitGroup

	connections atomic.Int64
	lastEnd     atomic.Int64 // of a connection, in ns since begun
	begun       time.Time
	requests    atomic.Uint64
	failed      atomic.Uint64
	refused     atomic.Uint64
}

// NewServer returns a server that serves nothing yet.
func NewServer(c Config) *Server {
	c = c.withDefaults()
	return &Server{config: c, log: newSparingLog(c.Log, time.Minute), begun: time.Now()}
}

// Serve answers on l until ctx ends; then it drops what clients wait for, and
// returns nil when all is given back. It closes l.
func Serve(ctx context.Context, l *Listener, c Config) error { return NewServer(c).Serve(ctx, l) }

// Serve is the function of that name, for a Server that can be asked for numbers.
func (s *Server) Serve(ctx context.Context, l *Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.sessions.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	defer l.Close()
	for {
		conn, err := l.socket.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("cannot serve: %w", err)
		case err != nil: // out of descriptors or memory: that passes
			s.log.print("cannot accept connections for now", err)
			s.rest(ctx)
		default:
			s.admit(ctx, conn)
		}
	}
}

// rest waits a moment for things to get better.
func (s *Server) rest(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Millisecond):
	}
}

// admit begins a session with a client that may have one.
func (s *Server) admit(ctx context.Context, conn *net.UnixConn) {
	if err := s.check(conn); err != nil {
		s.refuse("refused a connection", err)
		conn.Close()
		return
	}
	s.connections.Add(1)
	s.sessions.Go(func() {
		newSession(s, conn).serve(ctx)
		s.lastEnd.Store(int64(time.Since(s.begun)))
		s.connections.Add(-1)
	})
}

var errTooMany = errors.New("there are too many")

// check tells why not to talk to a client.
func (s *Server) check(conn *net.UnixConn) error {
	if s.connections.Load() >= int64(s.config.MaxConnections) {
		return errTooMany
	}
	uid, err := peerUID(conn)
	if err != nil {
		return err
	}
	if int(uid) != os.Geteuid() {
		return fmt.Errorf("user %d may not use the mount service", uid)
	}
	return nil
}

func (s *Server) refuse(what string, err error) {
	s.refused.Add(1)
	s.log.print(what, err)
}

// IdleFor is for how long there has been no connection; 0 while there is one.
func (s *Server) IdleFor() time.Duration {
	if s.connections.Load() > 0 {
		return 0
	}
	return time.Since(s.begun) - time.Duration(s.lastEnd.Load())
}

// ServerStats are what a [Server] and its workers did since they began.
type ServerStats struct {
	Connections int64        `json:"connections"` // now
	Requests    uint64       `json:"requests"`
	Failed      uint64       `json:"failed"`  // requests that came to nothing, dropped ones too
	Refused     uint64       `json:"refused"` // connections and messages that made no sense
	Workers     worker.Stats `json:"workers"`
}

// Stats tells the present numbers.
func (s *Server) Stats() ServerStats {
	stats := ServerStats{
		Connections: s.connections.Load(), Requests: s.requests.Load(), Failed: s.failed.Load(), Refused: s.refused.Load(),
	}
	if s.config.Workers != nil {
		stats.Workers = s.config.Workers.Stats()
	}
	return stats
}
