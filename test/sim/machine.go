package main

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"
)

// machine is a simulated machine: threads that make root filesystems one after
// the other, and one thing that only one of them can have at a time.
type machine struct {
	params
	random *rand.Rand
	now    time.Duration
	events events
	way    way
	homes  []int // by thread: its socket

	begun  []time.Duration // by thread: when its root was asked for
	took   []time.Duration // by root
	remote int             // hand-overs between sockets
}

// way is how threads get at the mount locks.
type way interface {
	// ask has the thread begin to make a root filesystem.
	ask(m *machine, thread int)
}

// result is what came of a run.
type result struct {
	perSecond float64       // roots
	p99       time.Duration // of a root
	remote    float64       // hand-overs between sockets for each root
}

// run simulates the way on a machine for so long, after a tenth of that to get
// going.
func run(p params, w way, long time.Duration) result {
	m := &machine{params: p, way: w, begun: make([]time.Duration, p.threads)}
	m.random = rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same numbers each time
	// As many on each socket, but no order in which they would queue by socket.
	for _, i := range m.random.Perm(p.threads) {
		m.homes = append(m.homes, i*p.sockets/p.threads)
	}
	for thread := range p.threads {
		m.think(thread)
	}
	m.until(long / 10)
	m.took, m.remote = nil, 0
	m.until(long + long/10)
	slices.Sort(m.took)
	r := result{perSecond: float64(len(m.took)) / long.Seconds()}
	if n := len(m.took); n > 0 {
		r.p99 = m.took[n*99/100]
		r.remote = float64(m.remote) / float64(n)
	}
	return r
}

// socketOf is where a thread runs.
func (m *machine) socketOf(thread int) int { return m.homes[thread] }

func (m *machine) until(end time.Duration) {
	for len(m.events) > 0 && m.events[0].at <= end {
		e, _ := heap.Pop(&m.events).(event)
		m.now = e.at
		e.do()
	}
}

// after has something done later.
func (m *machine) after(d time.Duration, do func()) {
	heap.Push(&m.events, event{m.now + d, do})
}

// think has the thread do other things before it asks for the next root.
func (m *machine) think(thread int) {
	pause := time.Duration(m.random.ExpFloat64() * float64(m.params.think))
	m.after(pause, func() {
		m.begun[thread] = m.now
		m.way.ask(m, thread)
	})
}

// finish counts the thread's root.
func (m *machine) finish(thread int) {
	m.took = append(m.took, m.now-m.begun[thread])
	m.think(thread)
}

// handOver is the time that the lines take from one socket to another.
func (m *machine) handOver(from, to int) time.Duration {
	if from != to {
		m.remote++
	}
	return m.transfer(from, to)
}

// event is something that happens.
type event struct {
	at time.Duration
	do func()
}

// events are a heap by time.
type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { v, _ := x.(event); *e = append(*e, v) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}
