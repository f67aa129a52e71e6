package service

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/worker"
)

// here is local work that is counted.
func here(n *int) func(context.Context) (Reply, error) {
	return func(context.Context) (Reply, error) { *n++; return Reply{Payload: []byte("here")}, nil }
}

// TestWithoutService: everything works, is counted, and said once.
func TestWithoutService(t *testing.T) {
	log := &lines{}
	w := openWorkers(t, worker.Config{Abreast: 1})
	c := NewClient(ClientConfig{
		Dir: filepath.Join(t.TempDir(), "none"), Log: log.add,
		Workers: func() (*worker.Workers, error) { return w, nil },
	})
	done := 0
	for range 3 {
		reply, err := c.Do(patient(t), Request{}, here(&done))
		must(t, err)
		if string(reply.Payload) != "here" {
			t.Errorf("reply %q", reply.Payload)
		}
	}
	lease, err := c.Lease(patient(t), worker.AnyNode, time.Hour)
	must(t, err)
	if w.Turn().Stats().Holders != 1 {
		t.Error("the turn here was not taken")
	}
	lease.Release()
	lease.Release()
	if w.Turn().Stats().Holders != 0 {
		t.Error("the turn here was not given back")
	}
	if got := c.Stats(); done != 3 || got != (ClientStats{Unreachable: 4}) {
		t.Errorf("done %d times, counted %+v", done, got)
	}
	if len(log.all) != 1 {
		t.Errorf("logged %q", log.all)
	}
	if _, err := c.ServerStats(patient(t)); !errors.Is(err, unix.ENOENT) {
		t.Errorf("%v, want ENOENT", err)
	}
}

// TestLeaseOfNothing: a turn that nobody can lend holds nobody up.
func TestLeaseOfNothing(t *testing.T) {
	w := openWorkers(t, worker.Config{Abreast: 1})
	held, err := w.Lease(patient(t), worker.AnyNode, time.Hour)
	must(t, err)
	defer held.Release()
	for name, workers := range map[string]func() (*worker.Workers, error){
		"no workers":      nil,
		"broken workers":  func() (*worker.Workers, error) { return nil, unix.ENOMEM },
		"turn never free": func() (*worker.Workers, error) { return w, nil },
	} {
		c := NewClient(ClientConfig{Dir: t.TempDir(), Patience: time.Millisecond, Workers: workers})
		lease, err := c.Lease(patient(t), worker.AnyNode, time.Hour)
		if err != nil || lease != nil {
			t.Errorf("%s: %v, %v", name, lease, err)
		}
		lease.Release()
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := c.Lease(ended, worker.AnyNode, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want canceled", name, err)
		}
	}
}

// TestStalled: a service that takes connections and does not answer is waited for
// once, and then left alone for a while; when it answers again, it is used.
func TestStalled(t *testing.T) {
	log := &lines{}
	dir := filepath.Join(t.TempDir(), "service")
	l, err := Listen(dir)
	must(t, err)
	c := NewClient(ClientConfig{Dir: dir, Patience: 5 * time.Millisecond, Pause: 200 * time.Millisecond, Log: log.add})
	done := 0
	_, err = c.Do(patient(t), Request{}, here(&done))
	must(t, err)
	for range 5 {
		_, err := c.Do(patient(t), Request{}, here(&done))
		must(t, err)
	}
	s := c.Stats()
	if done != 6 || s.Stalled < 1 || s.Skipped < 1 || s.Stalled+s.Skipped != 6 {
		t.Errorf("done %d times, counted %+v", done, s)
	}
	r := &running{dir: dir, log: &lines{}, workers: openWorkers(t, worker.Config{})}
	r.serveOn(t, l, Config{Workers: r.workers, Work: func(context.Context, Request) (Reply, error) { return Reply{}, nil }})
	c.config.Patience = patience
	eventually(t, "use of the service", func() bool {
		_, err := c.Do(patient(t), Request{}, here(&done))
		must(t, err)
		return c.Stats().Served > 0
	})
	if log.with("can't be used") != 1 || log.with("answers again") != 1 || len(log.all) != 2 {
		t.Errorf("logged %q", log.all)
	}
	r.stop()
}

// TestStalledForOthers: what one process has found out, the next need not.
func TestStalledForOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "service")
	l, err := Listen(dir)
	must(t, err)
	defer l.Close()
	done := 0
	first := NewClient(ClientConfig{Dir: dir, Patience: 5 * time.Millisecond, Pause: patience})
	_, err = first.Do(patient(t), Request{}, here(&done))
	must(t, err)
	log := &lines{}
	next := NewClient(ClientConfig{Dir: dir, Patience: patience, Pause: patience, Log: log.add})
	_, err = next.Do(patient(t), Request{}, here(&done))
	must(t, err)
	if done != 2 || first.Stats().Stalled != 1 || next.Stats() != (ClientStats{Skipped: 1}) || log.with("did not answer") != 1 {
		t.Errorf("done %d times, counted %+v and %+v, logged %q", done, first.Stats(), next.Stats(), log.all)
	}
	for name, at := range map[string]time.Time{"long ago": time.Now().Add(-2 * patience), "in the future": time.Now().Add(time.Hour)} {
		must(t, os.Chtimes(string(markIn(dir)), at, at))
		if c := NewClient(ClientConfig{Dir: dir, Pause: patience}); !c.worthAsking() {
			t.Errorf("a service that stalled %s is not asked", name)
		}
	}
	first.mark.set()
	r := &running{dir: dir, log: &lines{}, workers: openWorkers(t, worker.Config{})}
	r.serveOn(t, l, Config{Workers: r.workers, Work: func(context.Context, Request) (Reply, error) { return Reply{}, nil }})
	again := NewClient(ClientConfig{Dir: dir, Patience: patience, Pause: 10 * time.Millisecond})
	eventually(t, "use of the service", func() bool {
		_, err := again.Do(patient(t), Request{}, here(&done))
		must(t, err)
		return again.Stats().Served > 0
	})
	r.stop()
}

// lateContext is over some time after its deadline, as on a busy machine.
type lateContext struct {
	context.Context
	until time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.until, true }

// TestDeadlineOfTheCaller: who has no time left gets his context's error, and the
// service is not taken for a stalled one.
func TestDeadlineOfTheCaller(t *testing.T) {
	r := serve(t, Config{})
	c := r.client()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	lease, err := c.Lease(lateContext{ctx, time.Now()}, worker.AnyNode, time.Hour)
	if lease != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, %v, want no lease and an exceeded deadline", lease, err)
	}
	if got := c.Stats(); got != (ClientStats{}) {
		t.Errorf("counted %+v", got)
	}
}

// TestNoSockets: a process that may make no sockets, because of a seccomp filter,
// does its work itself.
func TestNoSockets(t *testing.T) {
	r := serve(t, Config{Work: func(context.Context, Request) (Reply, error) { return Reply{}, nil }})
	c := r.client()
	done := 0
	must(t, kernel.InNewThread(func() error {
		if err := denySockets(); err != nil {
			return err
		}
		_, err := c.Do(patient(t), Request{}, here(&done))
		return err
	}))
	if got := c.Stats(); done != 1 || got != (ClientStats{Unreachable: 1}) {
		t.Errorf("done %d times, counted %+v", done, got)
	}
}

// denySockets has socket(2) fail with EPERM for the calling thread, for ever.
func denySockets() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SOCKET, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: seccompErrno | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: seccompAllow},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
	runtime.KeepAlive(filter)
	return err
}

// What a filter may answer, from linux/seccomp.h.
const (
	seccompErrno = 0x00050000
	seccompAllow = 0x7fff0000
)

// TestRefused: what the service can't do is done here, and it is asked again.
func TestRefused(t *testing.T) {
	r := serve(t, Config{Work: func(context.Context, Request) (Reply, error) { return Reply{}, unix.EXDEV }})
	c := r.client()
	done := 0
	for range 2 {
		_, err := c.Do(patient(t), Request{}, here(&done))
		must(t, err)
	}
	if got := c.Stats(); done != 2 || got != (ClientStats{Refused: 2}) {
		t.Errorf("done %d times, counted %+v", done, got)
	}
	// What can't be sent is as what is refused.
	_, err := c.Do(patient(t), Request{Payload: make([]byte, MaxPayload+1)}, here(&done))
	must(t, err)
	if done != 3 {
		t.Error("too much for a message was not done here")
	}
}

// TestWorkAndLease: one exchange brings both, and neither waits for the other, also
// where one at a time may have the turn.
func TestWorkAndLease(t *testing.T) {
	r := serve(t, Config{Work: func(ctx context.Context, r Request) (Reply, error) { return Reply{Payload: r.Payload}, nil }})
	c := r.client()
	done := 0
	for range 3 {
		reply, lease, err := c.DoAndLease(patient(t), Request{Payload: []byte("x")}, time.Minute, here(&done))
		must(t, err)
		if string(reply.Payload) != "x" || !lease.Served() || r.workers.Turn().Stats().Holders != 1 {
			t.Errorf("reply %q, lease %+v, turn %+v", reply.Payload, lease, r.workers.Turn().Stats())
		}
		lease.Release()
	}
	if s := r.Stats(); done != 0 || s.Requests != 3 {
		t.Errorf("done here %d times, %+v", done, s)
	}
}

// TestLeaseAfterWork: a service that answers work without a lease is asked for one;
// one that refuses the work, too; where none is there it is this process's.
func TestLeaseAfterWork(t *testing.T) {
	w := openWorkers(t, worker.Config{Abreast: 1})
	own := func() (*worker.Workers, error) { return w, nil }
	done := 0
	refusing := serve(t, Config{})
	_, lease, err := NewClient(ClientConfig{Dir: refusing.dir, Patience: patience, Workers: own}).
		DoAndLease(patient(t), Request{}, time.Minute, here(&done))
	must(t, err)
	if !lease.Served() || done != 1 {
		t.Errorf("lease %+v, done here %d times", lease, done)
	}
	lease.Release()
	none := NewClient(ClientConfig{Dir: t.TempDir(), Workers: own})
	_, lease, err = none.DoAndLease(patient(t), Request{}, time.Minute, here(&done))
	must(t, err)
	if lease.Served() || w.Turn().Stats().Holders != 1 || done != 2 {
		t.Errorf("lease %+v, turn %+v, done here %d times", lease, w.Turn().Stats(), done)
	}
	lease.Release()
	bad := func(context.Context) (Reply, error) { return Reply{}, unix.EPERM }
	if _, lease, err := none.DoAndLease(patient(t), Request{}, time.Minute, bad); !errors.Is(err, unix.EPERM) || lease != nil {
		t.Errorf("%v, %v, want EPERM", lease, err)
	}
}

// TestOldService: one that knows no lease after work is asked for the lease alone.
func TestOldService(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "service")
	l, err := Listen(dir)
	must(t, err)
	defer l.Close()
	kinds := make(chan kind, 2)
	go func() {
		for range 2 {
			conn, err := l.socket.AcceptUnix()
			if err != nil {
				return
			}
			if m, err := receive(conn); err == nil {
				kinds <- m.kind
				_ = send(conn, &message{kind: kindReply})
			}
			conn.Close()
		}
	}()
	done := 0
	_, lease, err := NewClient(ClientConfig{Dir: dir, Patience: patience}).DoAndLease(patient(t), Request{}, time.Minute, here(&done))
	must(t, err)
	if first, second := <-kinds, <-kinds; first != kindWork || second != kindLease || !lease.Served() || done != 0 {
		t.Errorf("asked %d and %d, lease %+v, done here %d times", first, second, lease, done)
	}
	lease.Release()
}

// TestDiesOverIt: a service that dies while it works costs a try.
func TestDiesOverIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "service")
	l, err := Listen(dir)
	must(t, err)
	defer l.Close()
	go func() {
		conn, err := l.socket.AcceptUnix()
		if err == nil {
			_, _ = receive(conn) // and not a word
			conn.Close()
		}
	}()
	c := NewClient(ClientConfig{Dir: dir, Patience: patience})
	done := 0
	_, err = c.Do(patient(t), Request{}, here(&done))
	must(t, err)
	if got := c.Stats(); done != 1 || got.Unreachable != 1 {
		t.Errorf("done %d times, counted %+v", done, got)
	}
}

// TestAnswersNonsense: a service that does not keep to the protocol is as none.
func TestAnswersNonsense(t *testing.T) {
	for name, answer := range map[string]func(*net.UnixConn) error{
		"garbage":   func(c *net.UnixConn) error { _, err := c.Write([]byte("garbage")); return err },
		"a request": func(c *net.UnixConn) error { return send(c, &message{kind: kindStats}) },
		"descriptors": func(c *net.UnixConn) error {
			return send(c, &message{kind: kindStats, files: devNulls(t, 3)})
		},
	} {
		dir := filepath.Join(t.TempDir(), "service")
		l, err := Listen(dir)
		must(t, err)
		ended := make(chan error, 1)
		go func() {
			conn, err := l.socket.AcceptUnix()
			if err == nil {
				_, err = receive(conn)
				err = errors.Join(err, answer(conn))
				conn.Close()
			}
			ended <- err
		}()
		c := NewClient(ClientConfig{Dir: dir, Patience: patience})
		done := 0
		_, err = c.Do(patient(t), Request{}, here(&done))
		must(t, err)
		must(t, <-ended)
		if done != 1 {
			t.Errorf("%s: not done here", name)
		}
		must(t, l.Close())
	}
}
