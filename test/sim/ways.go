package main

import "time"

// unserialised: every thread fights for the kernel's lock at each of its sections.
// It is handed over in the order of arrival, by a queue in the kernel.
type unserialised struct {
	polling bool // waiters poll the lock's line, as readers of a seqlock do
	left    []int
	queue   []int // threads
	held    bool
	last    int // who had it
}

func (u *unserialised) ask(m *machine, thread int) {
	if u.left == nil {
		u.left = make([]int, m.threads)
	}
	u.left[thread] = m.sections
	u.enter(m, thread)
}

func (u *unserialised) enter(m *machine, thread int) {
	u.queue = append(u.queue, thread)
	if !u.held {
		u.next(m)
	}
}

func (u *unserialised) next(m *machine) {
	thread := u.queue[0]
	u.queue = u.queue[1:]
	u.held = true
	cost := m.hold
	if thread != u.last {
		cost += m.handOver(m.socketOf(u.last), m.socketOf(thread))
	}
	if u.polling {
		cost += u.disturbance(m, m.socketOf(thread))
	}
	u.last = thread
	m.after(cost, func() { u.leave(m, thread) })
}

// disturbance is what those who wait add to a hand-over to the socket.
func (u *unserialised) disturbance(m *machine, socket int) (d time.Duration) {
	for _, waiter := range u.queue {
		if m.socketOf(waiter) == socket {
			d += m.pollLocal
		} else {
			d += m.pollRemote
		}
	}
	return d
}

func (u *unserialised) leave(m *machine, thread int) {
	u.held = false
	if u.left[thread]--; u.left[thread] > 0 {
		m.after(m.gap, func() { u.enter(m, thread) })
	} else {
		m.finish(thread)
	}
	if len(u.queue) > 0 && !u.held {
		u.next(m)
	}
}

// oneLock: whoever makes a root holds a lock of user space over all of it, in
// which waiters sleep.
type oneLock struct {
	queue []int
	held  bool
	last  int
}

func (l *oneLock) ask(m *machine, thread int) {
	l.queue = append(l.queue, thread)
	if !l.held {
		l.next(m, 0)
	}
}

func (l *oneLock) next(m *machine, wake time.Duration) {
	thread := l.queue[0]
	l.queue = l.queue[1:]
	l.held = true
	cost := wake + whole(m)
	if thread != l.last {
		cost += m.handOver(m.socketOf(l.last), m.socketOf(thread))
	}
	l.last = thread
	m.after(cost, func() {
		l.held = false
		m.finish(thread)
		if len(l.queue) > 0 && !l.held {
			l.next(m, m.wake)
		}
	})
}

// whole is a root made by one thread that meets no other.
func whole(m *machine) time.Duration {
	return time.Duration(m.sections)*m.hold + time.Duration(m.sections-1)*m.gap
}

// cohort: a worker on each socket makes the roots of its threads; one has the turn
// for a batch.
type cohort struct {
	queues [][]int // by socket
	held   bool
	owner  int
	row    int
}

func (c *cohort) ask(m *machine, thread int) {
	if c.queues == nil {
		c.queues = make([][]int, m.sockets)
	}
	m.after(m.wake, func() { // to the worker
		socket := m.socketOf(thread)
		c.queues[socket] = append(c.queues[socket], thread)
		if !c.held {
			c.next(m)
		}
	})
}

func (c *cohort) next(m *machine) {
	cost := whole(m) + m.transfer(0, 0) // the request comes from another core
	if owner := c.choose(m); owner != c.owner {
		cost += m.wake + m.handOver(c.owner, owner)
		c.owner, c.row = owner, 0
	}
	c.row++
	thread := c.queues[c.owner][0]
	c.queues[c.owner] = c.queues[c.owner][1:]
	c.held = true
	m.after(cost, func() {
		c.held = false
		m.after(m.wake, func() { m.finish(thread) }) // back to the thread
		for _, queue := range c.queues {
			if len(queue) > 0 && !c.held {
				c.next(m)
			}
		}
	})
}

// choose is the socket whose turn it is.
func (c *cohort) choose(m *machine) int {
	if len(c.queues[c.owner]) > 0 && c.row < m.batch {
		return c.owner
	}
	for i := range m.sockets {
		if next := (c.owner + 1 + i) % m.sockets; len(c.queues[next]) > 0 {
			if next == c.owner {
				c.row = 0
			}
			return next
		}
	}
	return c.owner
}
