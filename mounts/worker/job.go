package worker

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"
)

// Class is what a job does to the mount table. Within a batch, what builds goes
// first, for somebody waits for it and it holds the locks for the shortest time;
// what takes away goes last, for it waits for RCU grace periods.
type Class int

// The classes in the order in which a batch runs them.
const (
	Build  Class = iota // makes detached mounts and namespaces
	Attach              // attaches mounts where something runs
	Detach              // takes mounts away, and somebody waits for it; see [Lane]
	classes
)

// String is the class in lower case.
func (c Class) String() string {
	return [...]string{"build", "attach", "detach"}[c]
}

// Job is work for a [Worker]'s thread.
type Job struct {
	Class Class
	// Moves says that Run changes the thread's mount namespace, root or working
	// directory. Afterwards the worker brings its thread back.
	Moves bool
	// Run does the work. It must not start processes, nor wait for other jobs.
	Run func() error
	// Discard disposes of what Run made, on the worker's thread, if whoever
	// asked is gone by then; nil if there is nothing.
	Discard func()
}

// ErrClosed says that the worker was closed before it came to the job.
var ErrClosed = errors.New("cannot run mount work: worker is closed")

// The states of a ticket.
const (
	queued int32 = iota
	running
	abandoned // by who asked: while queued it is not run, while running its result is discarded
	finished
)

// ticket is a job in a queue.
type ticket struct {
	job   Job
	ctx   context.Context //nolint:containedctx // it belongs to the job, which crosses to another goroutine
	since time.Time
	state atomic.Int32
	done  chan struct{} // closed when finished
	err   error         // written before done is closed
}

func newTicket(ctx context.Context, job Job) *ticket {
	return &ticket{job: job, ctx: ctx, since: time.Now(), done: make(chan struct{})}
}

// run runs the job, unless nobody wants it any more. False says so.
func (t *ticket) run(run func(Job) error) bool {
	if t.ctx.Err() != nil || !t.state.CompareAndSwap(queued, running) {
		t.abandon()
		return false
	}
	t.err = run(t.job)
	if t.state.CompareAndSwap(running, finished) {
		close(t.done)
	} else if t.err == nil && t.job.Discard != nil {
		t.job.Discard()
	}
	return true
}

// abandon says that nobody waits any more. False says that it is too late: the
// job has finished.
func (t *ticket) abandon() bool {
	return t.state.CompareAndSwap(queued, abandoned) || t.state.CompareAndSwap(running, abandoned) || t.state.Load() == abandoned
}

// wait waits for the job to finish; gone is closed when nothing runs jobs any
// more.
func (t *ticket) wait(gone <-chan struct{}) error {
	select {
	case <-t.done:
		return t.err
	case <-gone:
		return t.giveUp(ErrClosed)
	case <-t.ctx.Done():
		return t.giveUp(t.ctx.Err())
	}
}

func (t *ticket) giveUp(reason error) error {
	if t.abandon() {
		return reason
	}
	<-t.done
	return t.err
}

// sortBatch puts a batch in the order in which it is run: by class, and within
// each as they came.
func sortBatch(batch []*ticket) {
	slices.SortStableFunc(batch, func(a, b *ticket) int { return cmp.Compare(a.job.Class, b.job.Class) })
}
