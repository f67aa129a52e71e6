package telemetry

import (
	"net"
	"path/filepath"
	"sync"
	"time"
)

const (
	// queueLength is more than a pod's containers.
	queueLength = 64
	// patience is how long one record may wait for room at the collector, whose
	// queue the kernel bounds (net.unix.max_dgram_qlen, 10 on many hosts): when many
	// shims start at once, they take turns.
	patience = 2 * time.Second
	// farewell is how long a closing Sender tries to get the rest out.
	farewell = 300 * time.Millisecond
)

// Sender sends records to the host's collector, in a goroutine that exists from
// the first record on. A nil Sender sends nothing.
type Sender struct {
	path  string
	queue chan *Record
	begin sync.Once
	stop  chan struct{} // closed by Close
	done  chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex // guards the following
	closed  bool
	dropped uint64 // records that nobody took
}

// NewSender returns a sender to the collector of a run directory, which need not
// be there.
func NewSender(runDir string) *Sender {
	return &Sender{
		path:  filepath.Join(runDir, socketName),
		queue: make(chan *Record, queueLength), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// send queues a record. It never waits.
func (s *Sender) send(r Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.begin.Do(func() { go s.run() })
	select {
	case s.queue <- &r:
	default:
		s.dropped++
	}
}

// Dropped is how many records nobody took that no record has told of yet.
func (s *Sender) Dropped() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// Close gives what is queued a moment to get out. It may be called several times.
func (s *Sender) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if !first {
		return
	}
	s.begin.Do(func() { close(s.done) }) // nothing was ever sent
	close(s.stop)
	<-s.done
}

func (s *Sender) run() {
	defer close(s.done)
	link := link{path: s.path}
	defer link.close()
	for {
		select {
		case r := <-s.queue:
			s.deliver(&link, *r, time.Now().Add(patience))
		case <-s.stop:
			s.flush(&link)
			return
		}
	}
}

// flush sends the rest, as far as that goes quickly.
func (s *Sender) flush(l *link) {
	deadline := time.Now().Add(farewell)
	for {
		select {
		case r := <-s.queue:
			s.deliver(l, *r, deadline)
		default:
			return
		}
	}
}

func (s *Sender) deliver(l *link, r Record, deadline time.Time) {
	r.Dropped = s.Dropped()
	err := l.write(r.encode(), deadline)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.dropped++
		return
	}
	s.dropped -= r.Dropped // told
}

// link is a connection to a collector that may be replaced by another.
type link struct {
	path string
	conn *net.UnixConn
}

func (l *link) close() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

// write sends a datagram; if the collector has changed, to the new one.
func (l *link) write(data []byte, deadline time.Time) error {
	if l.conn != nil {
		if l.try(data, deadline) == nil {
			return nil
		}
		l.close()
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: l.path, Net: "unixgram"})
	if err != nil {
		return err
	}
	l.conn = conn
	return l.try(data, deadline)
}

func (l *link) try(data []byte, deadline time.Time) error {
	if err := l.conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	_, err := l.conn.Write(data)
	return err
}
