package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/topology"
	"tango/mounts/worker"
)

// ClientConfig says how a [Client] works.
type ClientConfig struct {
	// Dir is the service's directory.
	Dir string
	// Patience is how long the service may take for anything before it is done
	// here; 2 s if 0.
	Patience time.Duration
	// Pause is for how long a service that did not answer in time is not asked
	// again, by this process and all others of the host; 10 s if 0. After that one
	// request of each tries it.
	Pause time.Duration
	// Workers returns the workers of this process, for when the service can't be
	// used; nil has turns not taken then. It may be called often.
	Workers func() (*worker.Workers, error)
	// Log takes a line when the service fails, and one when it is back; nil drops
	// them.
	Log func(line string)
}

// Client asks the service, and does without it. It is safe for concurrent use and
// needs no closing: a connection is open only while something is asked for.
type Client struct {
	config ClientConfig
	mark   stallMark

	mu    sync.Mutex
	stats ClientStats // guarded by mu
	down  bool        // guarded by mu: the last attempt failed
	until time.Time   // guarded by mu: not asked before; zero if it does not stall
}

// ClientStats are what a [Client] did since it was made.
type ClientStats struct {
	Served      uint64 `json:"served"`      // by the service
	Unreachable uint64 `json:"unreachable"` // done here: nobody listened, or died over it
	Stalled     uint64 `json:"stalled"`     // done here: no answer in time
	Refused     uint64 `json:"refused"`     // done here: the service could not
	Skipped     uint64 `json:"skipped"`     // done here: not asked after it had stalled
}

// NewClient returns a client of the service in the directory, whether or not
// there is one.
func NewClient(c ClientConfig) *Client {
	if c.Patience <= 0 {
		c.Patience = 2 * time.Second
	}
	if c.Pause <= 0 {
		c.Pause = 10 * time.Second
	}
	if c.Log == nil {
		c.Log = func(string) {}
	}
	return &Client{config: c, mark: markIn(c.Dir)}
}

// Stats tells the present numbers.
func (c *Client) Stats() ClientStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// Do has the service do the work, or does it here, by local. The only errors are
// local's and the context's: what the service can't do is tried here as well, and
// fails here with its own words.
//
// The request's files stay the caller's; the reply's are.
func (c *Client) Do(ctx context.Context, r Request, local func(context.Context) (Reply, error)) (Reply, error) {
	reply, conn, err := c.ask(ctx, &message{kind: kindWork, node: r.Node, payload: r.Payload, files: r.Files})
	if err == nil {
		conn.Close()
		return Reply{Payload: reply.payload, Files: reply.files}, nil
	}
	if ctx.Err() != nil {
		return Reply{}, ctx.Err()
	}
	return local(ctx)
}

// DoAndLease is [Client.Do] and, once the work is done, [Client.Lease], in one
// exchange. The caller owns both results; after an error there is none.
func (c *Client) DoAndLease(ctx context.Context, r Request, most time.Duration, local func(context.Context) (Reply, error)) (Reply, *Lease, error) {
	reply, conn, err := c.ask(ctx, &message{kind: kindWork, node: r.Node, hold: most, payload: r.Payload, files: r.Files})
	if err == nil {
		done := Reply{Payload: reply.payload, Files: reply.files}
		if reply.hold > 0 {
			return done, &Lease{conn: conn}, nil
		}
		conn.Close() // of a service that does one thing at a time
		return c.withLease(ctx, done, nil, r.Node, most)
	}
	if ctx.Err() != nil {
		return Reply{}, nil, ctx.Err()
	}
	done, localErr := local(ctx)
	if localErr != nil {
		return Reply{}, nil, localErr
	}
	return c.withLease(ctx, done, err, r.Node, most)
}

// withLease adds a lease to work that is done: of the service if that did the work,
// or, as reason says, is there and does not do such work.
func (c *Client) withLease(ctx context.Context, done Reply, reason error, node topology.NodeID, most time.Duration) (Reply, *Lease, error) {
	lend := c.leaseHere
	var refused *refusal
	if reason == nil || errors.As(reason, &refused) {
		lend = c.Lease
	}
	lease, err := lend(ctx, node, most)
	if err != nil {
		done.Close()
		return Reply{}, nil, err
	}
	return done, lease, nil
}

// Workers are those of this process; nil if it has none.
func (c *Client) Workers() (*worker.Workers, error) {
	if c.config.Workers == nil {
		return nil, nil
	}
	return c.config.Workers()
}

// Lease waits for the node's turn, for mount work that somebody else does for at
// most the given time. It is nil, which is a lease of nothing, where neither the
// service nor this process has a turn to lend. The only error is the context's.
func (c *Client) Lease(ctx context.Context, node topology.NodeID, most time.Duration) (*Lease, error) {
	_, conn, err := c.ask(ctx, &message{kind: kindLease, node: node, hold: most})
	if err == nil {
		return &Lease{conn: conn}, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return c.leaseHere(ctx, node, most)
}

// leaseHere lends the turn of this process's workers, if it has any.
func (c *Client) leaseHere(ctx context.Context, node topology.NodeID, most time.Duration) (*Lease, error) {
	workers, err := c.Workers()
	if err != nil || workers == nil {
		return nil, nil //nolint:nilnil // documented: a lease of nothing
	}
	patient, cancel := context.WithTimeout(ctx, c.config.Patience)
	defer cancel()
	lease, err := workers.Lease(patient, node, most)
	if err != nil {
		return nil, ctx.Err()
	}
	return &Lease{local: lease}, nil
}

// ServerStats asks the service for its numbers. Its errors are those of not
// reaching it.
func (c *Client) ServerStats(ctx context.Context) (s ServerStats, _ error) {
	reply, conn, err := c.exchange(ctx, &message{kind: kindStats})
	if err != nil {
		return s, fmt.Errorf("cannot ask the mount service: %w", err)
	}
	conn.Close()
	if err := json.Unmarshal(reply.payload, &s); err != nil {
		return s, fmt.Errorf("cannot understand the mount service: %w", err)
	}
	return s, nil
}

// Lease is a turn on loan, from the service or from this process.
type Lease struct {
	conn  *net.UnixConn
	local *worker.Lease
}

// Served tells whether the service lends the turn.
func (l *Lease) Served() bool { return l != nil && l.conn != nil }

// Release gives the turn back; a second call does nothing.
func (l *Lease) Release() {
	switch {
	case l == nil:
	case l.conn != nil:
		l.conn.Close() // which the service takes for the end of the lease
	default:
		l.local.Release()
	}
}

// ask is exchange for what can be done without the service: it counts, and does
// not ask a service that stalls.
func (c *Client) ask(ctx context.Context, m *message) (*message, *net.UnixConn, error) {
	if !c.worthAsking() {
		return nil, nil, errSkipped
	}
	reply, conn, err := c.exchange(ctx, m)
	if err != nil && over(ctx) {
		return nil, nil, err // says nothing about the service
	}
	c.note(err)
	return reply, conn, err
}

// over tells whether the context has ended. At its deadline the connection may
// know before the context does.
func over(ctx context.Context) bool {
	if until, has := ctx.Deadline(); has && !time.Now().Before(until) {
		<-ctx.Done()
	}
	return ctx.Err() != nil
}

var errSkipped = errors.New("the mount service did not answer a moment ago")

func (c *Client) worthAsking() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until.IsZero() {
		if c.until = c.mark.until(c.config.Pause); c.until.IsZero() {
			return true
		}
		c.tell(errSkipped)
	}
	if time.Now().Before(c.until) {
		c.stats.Skipped++
		return false
	}
	c.until = time.Now().Add(c.config.Patience + c.config.Pause) // the others', until this one knows
	return true
}

// refusal is what the service says that it can't do.
type refusal struct {
	status unix.Errno
	words  string
}

func (r *refusal) Error() string { return "mount service: " + r.words }
func (r *refusal) Unwrap() error { return r.status }

// note counts what came of asking, and says so when that changes.
func (c *Client) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var refused *refusal
	var slow net.Error
	switch {
	case err == nil:
		c.stats.Served++
		if !c.until.IsZero() {
			c.mark.clear()
		}
		c.until = time.Time{}
	case errors.As(err, &refused):
		c.stats.Refused++
		c.until = time.Time{}
		return // it is there, and what it can't do may fail here, too
	case errors.As(err, &slow) && slow.Timeout():
		c.stats.Stalled++
		c.until = time.Now().Add(c.config.Pause)
		c.mark.set()
	default:
		c.stats.Unreachable++
		c.until = time.Time{}
	}
	c.tell(err)
}

// tell logs what has changed. Called with mu held.
func (c *Client) tell(err error) {
	switch {
	case err == nil && c.down:
		c.config.Log("the mount service answers again")
	case err != nil && !c.down:
		c.config.Log("the mount service can't be used, mount work is done in this process: " + err.Error())
	}
	c.down = err != nil
}

// exchange sends a request on a connection of its own and waits for the reply.
// The caller closes the connection, which drops whatever the request brought.
func (c *Client) exchange(ctx context.Context, m *message) (_ *message, _ *net.UnixConn, retErr error) {
	if m.tooLong() {
		return nil, nil, &refusal{status: unix.EMSGSIZE, words: errLong.Error()}
	}
	until := time.Now().Add(c.config.Patience)
	conn, err := c.dial(ctx, until)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if retErr != nil {
			conn.Close()
		}
	}()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := conn.SetDeadline(until); err != nil {
		return nil, nil, err
	}
	// The service gives up first: were both to mount the same upper directory, the
	// later one would take its work directory away from the other.
	m.limit = c.config.Patience * 3 / 4
	if err := send(conn, m); err != nil {
		return nil, nil, err
	}
	reply, err := receive(conn)
	if err != nil {
		return nil, nil, err
	}
	if err := reply.err(); err != nil {
		return nil, nil, err
	}
	if !stop() {
		reply.close() // the connection is closed, and what belongs to it gone
		return nil, nil, ctx.Err()
	}
	return reply, conn, nil
}

// err is what a reply tells of; the reply is closed then.
func (m *message) err() error {
	if m.kind == kindReply && m.status == 0 {
		return nil
	}
	m.close()
	if m.kind != kindReply {
		return errKind
	}
	return &refusal{status: m.status, words: string(m.payload)}
}

// dial connects to a service of the same user.
func (c *Client) dial(ctx context.Context, until time.Time) (*net.UnixConn, error) {
	dialer := net.Dialer{Deadline: until}
	conn, err := dialer.DialContext(ctx, "unixpacket", SocketPath(c.config.Dir))
	if err != nil {
		return nil, err
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errNotUnix
	}
	uid, err := peerUID(socket)
	if err == nil && int(uid) != os.Geteuid() {
		err = fmt.Errorf("the mount service at %s is user %d's", SocketPath(c.config.Dir), uid)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return socket, nil
}

var errNotUnix = errors.New("not a unix socket")
