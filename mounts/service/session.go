package service

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/worker"
)

// session is one connection of a client.
type session struct {
	server *Server
	conn   *net.UnixConn
	work   sync.WaitGroup // the answer that is being made

	mu    sync.Mutex
	stage stage         // guarded by mu
	lease *worker.Lease // guarded by mu
}

// stage is how far the session is with a request.
type stage int

const (
	resting  stage = iota // there is none
	working               // the answer is being made
	replying              // the answer is being sent: there may be the next request
)

// replyPatience is how long a reply waits for a client that does not read: its
// socket takes several without that.
const replyPatience = 10 * time.Second

func newSession(s *Server, conn *net.UnixConn) *session {
	return &session{server: s, conn: conn}
}

// serve reads until the client is gone or says what makes no sense, and then gives
// back all that he had. It keeps reading while an answer is made: that is how it
// learns that nobody waits for it any more.
func (s *session) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer s.end()
	defer s.work.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	s.rest()
	for {
		m, err := receive(s.conn)
		if err != nil {
			s.explain(err)
			return
		}
		if err := s.handle(ctx, m); err != nil {
			s.explain(err)
			return
		}
	}
}

// explain tells the operator of clients that make no sense.
func (s *session) explain(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, unix.ECONNRESET) {
		return
	}
	s.server.refuse("closed a connection", err)
}

func (s *session) end() {
	s.conn.Close()
	s.setLease(nil)
}

// setLease keeps the lease for the client in place of the one before.
func (s *session) setLease(l *worker.Lease) {
	s.mu.Lock()
	before := s.lease
	s.lease = l
	s.mu.Unlock()
	before.Release()
}

var (
	errNotRequest = errors.New("client sent what is not a request")
	errOverlap    = errors.New("client sent a request before the last one was answered")
	errUnwanted   = errors.New("client sent descriptors that nothing needs")
)

// handle begins to answer, and takes m over.
func (s *session) handle(ctx context.Context, m *message) error {
	if m.kind != kindWork && len(m.files) > 0 {
		m.close()
		return errUnwanted
	}
	switch m.kind {
	case kindRelease:
		s.setLease(nil)
		return nil
	case kindLease, kindWork, kindStats:
	default:
		return errNotRequest
	}
	if !s.begin() {
		m.close()
		return errOverlap
	}
	s.work.Go(func() { s.answer(ctx, m) })
	return nil
}

// begin starts with a request; false says that the last one is not answered.
func (s *session) begin() bool {
	if s.at() == working {
		return false
	}
	s.work.Wait() // until the last reply is sent
	s.reached(working)
	_ = s.conn.SetReadDeadline(time.Time{}) // fails only if closed
	return true
}

func (s *session) at() stage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stage
}

func (s *session) reached(at stage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stage = at
}

// rest gives the client a while to ask for something more, or go. A lease ends by
// itself.
func (s *session) rest() {
	_ = s.conn.SetReadDeadline(time.Now().Add(max(s.server.config.Idle, s.server.config.MaxHold)))
}

// answer makes the reply to a request, which it takes over, and sends it.
func (s *session) answer(ctx context.Context, m *message) {
	defer m.close()
	s.server.requests.Add(1)
	if m.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.limit)
		defer cancel()
	}
	reply, err := s.reply(ctx, m)
	if err != nil {
		s.server.failed.Add(1)
		reply = failure(err)
	}
	defer reply.close()
	s.reached(replying)
	s.rest()
	_ = s.conn.SetWriteDeadline(time.Now().Add(replyPatience))
	if err := send(s.conn, reply); err != nil {
		s.conn.Close()
	}
}

func (s *session) reply(ctx context.Context, m *message) (*message, error) {
	switch m.kind {
	case kindLease:
		return s.replyLease(ctx, m)
	case kindStats:
		payload, err := json.Marshal(s.server.Stats())
		return &message{kind: kindReply, payload: payload}, err
	default:
		return s.replyWork(ctx, m)
	}
}

// replyLease lends the turn. A client has one lease at a time: it gives the last
// one back first, lest it wait for itself.
func (s *session) replyLease(ctx context.Context, m *message) (*message, error) {
	s.setLease(nil)
	hold, err := s.lend(ctx, m)
	if err != nil {
		return nil, err
	}
	return &message{kind: kindReply, hold: hold}, nil
}

// lend waits for the turn and lends it for as long as it returns.
func (s *session) lend(ctx context.Context, m *message) (time.Duration, error) {
	most := s.server.config.MaxHold
	if m.hold > 0 {
		most = min(most, m.hold)
	}
	lease, err := s.server.config.Workers.Lease(ctx, m.node, most)
	if err != nil {
		return 0, err
	}
	s.setLease(lease)
	return most, nil
}

// replyWork has the work done, and then lends the turn if the client wants that,
// too: while work waits for its turn in the queue, its client must not hold one.
func (s *session) replyWork(ctx context.Context, m *message) (*message, error) {
	if s.server.config.Work == nil {
		return nil, unix.ENOSYS
	}
	s.setLease(nil)
	r, err := s.server.config.Work(ctx, Request{Node: m.node, Payload: m.payload, Files: m.files})
	if err == nil && (len(r.Payload) > MaxPayload || len(r.Files) > MaxFiles) {
		err = unix.EMSGSIZE
	}
	reply := &message{kind: kindReply, payload: r.Payload, files: r.Files}
	if err == nil && m.hold > 0 {
		reply.hold, err = s.lend(ctx, m)
	}
	if err != nil {
		reply.close()
		return nil, err
	}
	return reply, nil
}

// failure is the reply that tells of an error: its errno, and its words.
func failure(err error) *message {
	status := unix.EIO
	var errno unix.Errno
	switch {
	case errors.As(err, &errno) && errno != 0:
		status = errno
	case errors.Is(err, context.DeadlineExceeded):
		status = unix.ETIMEDOUT
	case errors.Is(err, context.Canceled), errors.Is(err, worker.ErrClosed):
		status = unix.ECANCELED
	}
	words := err.Error()
	return &message{kind: kindReply, status: status, payload: []byte(words[:min(len(words), 4096)])}
}
