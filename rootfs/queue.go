package rootfs

import "sync"

// queue runs functions one after the other on one goroutine. What frees things
// is put behind everything that somebody waits for, for taking mounts away waits
// for an RCU grace period each time.
type queue struct {
	mu     sync.Mutex
	wake   sync.Cond // on mu: something to run, or closed
	urgent []func()
	later  []func()
	closed bool
	done   chan struct{} // closed when run has returned
}

func newQueue() *queue {
	q := &queue{done: make(chan struct{})}
	q.wake.L = &q.mu
	return q
}

// run runs what is pushed until the queue is closed and empty.
func (q *queue) run() {
	defer close(q.done)
	for {
		f := q.take()
		if f == nil {
			return
		}
		f()
	}
}

func (q *queue) take() func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for _, list := range []*[]func(){&q.urgent, &q.later} {
			if len(*list) > 0 {
				f := (*list)[0]
				*list = (*list)[1:]
				return f
			}
		}
		if q.closed {
			return nil
		}
		q.wake.Wait()
	}
}

// call runs f on the queue's goroutine and waits for it. False says that the
// queue is closed and f was not run.
func (q *queue) call(f func()) bool {
	ran := make(chan struct{})
	if !q.push(&q.urgent, func() { defer close(ran); f() }) {
		return false
	}
	<-ran
	return true
}

// whenIdle has f run when nobody waits for anything else. False says that the
// queue is closed and f will not be run.
func (q *queue) whenIdle(f func()) bool { return q.push(&q.later, f) }

func (q *queue) push(list *[]func(), f func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	*list = append(*list, f)
	q.wake.Signal()
	return true
}

// close takes nothing more, and waits until everything taken has run.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.wake.Signal()
	q.mu.Unlock()
	<-q.done
}
