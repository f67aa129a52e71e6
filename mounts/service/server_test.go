package service

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/worker"
)

func TestWork(t *testing.T) {
	w := openWorkers(t, worker.Config{})
	r := serve(t, Config{Workers: w, Work: forkWork(w)})
	c := r.client()
	for _, payload := range []string{"one", "two"} {
		reply, err := c.Do(patient(t), Request{Node: worker.AnyNode, Payload: []byte(payload), Files: []*os.File{template(t)}}, never(t))
		must(t, err)
		must(t, checkFork(reply, payload))
	}
	s, err := c.ServerStats(patient(t))
	must(t, err)
	built := uint64(0)
	for _, n := range s.Workers.Nodes {
		built += n.Built
	}
	if s.Requests != 3 || s.Failed != 0 || built != 2 {
		t.Errorf("the server counts %+v", s)
	}
	if got := c.Stats(); got != (ClientStats{Served: 2}) {
		t.Errorf("the client counts %+v", got)
	}
}

// never is for work that the service must do.
func never(t testing.TB) func(context.Context) (Reply, error) {
	return func(context.Context) (Reply, error) {
		t.Error("work was done by the client")
		return Reply{}, nil
	}
}

// TestWorkDropped: when the client is gone, the context of what is done for him
// ends, and what came of it is closed.
func TestWorkDropped(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error)
	r := serve(t, Config{Work: func(ctx context.Context, q Request) (Reply, error) {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		f, err := os.Open("/dev/null")
		return Reply{Files: []*os.File{f}}, err
	}})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-begun; cancel() }()
	if _, err := r.client().Do(ctx, Request{}, never(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the server's work ended with %v", err)
	}
}

// TestWorkLimit: the server stops when the client's patience is over.
func TestWorkLimit(t *testing.T) {
	ended := make(chan error, 1)
	r := serve(t, Config{Work: func(ctx context.Context, q Request) (Reply, error) {
		<-ctx.Done()
		select {
		case ended <- ctx.Err():
		default:
		}
		return Reply{}, ctx.Err()
	}})
	for wait := 20 * time.Millisecond; len(ended) == 0; wait *= 2 {
		done := 0
		c := NewClient(ClientConfig{Dir: r.dir, Patience: wait})
		_, err := c.Do(patient(t), Request{}, here(&done))
		must(t, err)
		if done != 1 {
			t.Error("the work was not done here")
		}
	}
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		t.Errorf("the server's work ended with %v", err)
	}
}

// TestOneAtATime: a lease is held by one client at a time, and passes on when he
// releases it, dies or his time is over.
func TestOneAtATime(t *testing.T) {
	r := serve(t, Config{})
	c := r.client()
	for name, end := range map[string]func(*Lease){
		"released": (*Lease).Release,
		"died":     func(l *Lease) { l.conn.Close() },
		"said so":  func(l *Lease) { must(t, send(l.conn, &message{kind: kindRelease})); t.Cleanup(l.Release) },
		"over":     func(l *Lease) { t.Cleanup(l.Release) },
	} {
		most := time.Hour
		if name == "over" {
			most = 30 * time.Millisecond
		}
		first, err := c.Lease(patient(t), worker.AnyNode, most)
		must(t, err)
		if name != "over" {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			if _, err := c.Lease(ctx, worker.AnyNode, most); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: two leases: %v", name, err)
			}
			cancel()
		}
		end(first)
		second, err := c.Lease(patient(t), worker.AnyNode, time.Hour)
		must(t, err)
		second.Release()
	}
	var nothing *Lease
	nothing.Release()
}

// TestLeaseAgain: a client that asks again on the same connection gives back
// what it had, and does not wait for itself.
func TestLeaseAgain(t *testing.T) {
	r := serve(t, Config{})
	conn := r.connect(t)
	for range 3 {
		must(t, send(conn, &message{kind: kindLease, node: worker.AnyNode, hold: time.Hour}))
		m, err := receive(conn)
		must(t, err)
		must(t, m.err())
	}
	if holders := r.workers.Turn().Stats().Holders; holders != 1 {
		t.Errorf("%d leases, want 1", holders)
	}
}

// TestHoldIsLimited: nobody has a turn for longer than the server allows.
func TestHoldIsLimited(t *testing.T) {
	r := serve(t, Config{MaxHold: 20 * time.Millisecond})
	for range 3 {
		lease, err := r.client().Lease(patient(t), worker.AnyNode, time.Hour)
		must(t, err)
		defer lease.Release()
	}
	eventually(t, "end of all leases", func() bool { return r.workers.Stats().Expired == 3 })
}

// TestBackPressure: more work than there is room for waits, and comes to an end.
func TestBackPressure(t *testing.T) {
	w := openWorkers(t, worker.Config{Queue: 1})
	var now, most atomic.Int64
	r := serve(t, Config{Workers: w, Work: func(ctx context.Context, q Request) (Reply, error) {
		return Reply{}, w.Do(ctx, q.Node, worker.Job{Run: func() error {
			most.Store(max(most.Load(), now.Add(1)))
			now.Add(-1)
			return nil
		}})
	}})
	ended := make(chan error)
	for range 100 {
		go func() {
			_, err := r.client().Do(patient(t), Request{}, never(t))
			ended <- err
		}()
	}
	for range 100 {
		must(t, <-ended)
	}
	if most.Load() != 1 {
		t.Errorf("%d ran at once on one thread", most.Load())
	}
}

func TestIdle(t *testing.T) {
	r := serve(t, Config{Idle: 20 * time.Millisecond, MaxHold: 20 * time.Millisecond})
	eventually(t, "idle time", func() bool { return r.IdleFor() > 0 })
	conn := r.connect(t)
	expectClosed(t, conn) // perhaps before anybody could count it
	eventually(t, "no connection", func() bool { return r.Stats().Connections == 0 })
	r.works(t)
}

// TestStopDropsAll: when the server ends, leases and requests end with it.
func TestStopDropsAll(t *testing.T) {
	begun := make(chan struct{}, 1)
	r := serve(t, Config{Work: func(ctx context.Context, _ Request) (Reply, error) {
		begun <- struct{}{}
		<-ctx.Done()
		return Reply{}, ctx.Err()
	}})
	lease, err := r.client().Lease(patient(t), worker.AnyNode, time.Hour)
	must(t, err)
	defer lease.Release()
	here := make(chan bool, 1)
	go func() {
		_, _ = r.client().Do(patient(t), Request{}, func(context.Context) (Reply, error) { here <- true; return Reply{}, nil })
	}()
	<-begun
	r.stop()
	<-here
	if holders := r.workers.Turn().Stats().Holders; holders != 0 {
		t.Errorf("%d leases left", holders)
	}
}

func TestErrnoOfFailure(t *testing.T) {
	for _, c := range []struct {
		err  error
		want unix.Errno
	}{
		{&os.PathError{Op: "open", Path: "x", Err: unix.ENOENT}, unix.ENOENT},
		{context.DeadlineExceeded, unix.ETIMEDOUT}, {context.Canceled, unix.ECANCELED},
		{worker.ErrClosed, unix.ECANCELED}, {errors.New("x"), unix.EIO},
	} {
		m := failure(c.err)
		err := m.err()
		if !errors.Is(err, c.want) {
			t.Errorf("%v is told as %v, want %v", c.err, err, c.want)
		}
	}
}
