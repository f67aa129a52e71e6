package worker

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Turn is a lock that stays on a NUMA node for a while: a cohort lock. Holders of
// the node that has the turn are let in first, in the order in which they came,
// until a bounded number of them have been; then it is the next node's that has
// anyone waiting, round robin. A node that waits sees at most (nodes-1) x InARow
// holders of other nodes let in before its first own.
//
// The nil Turn is for one node: it is never waited for.
type Turn struct {
	inARow  int
	abreast int

	mu      sync.Mutex
	sides   []side // guarded by mu, as the rest; by index of the node
	owner   int    // the node that has the turn
	holders int    // of that node, now
	row     int    // holders let in since the turn came to the node
	waiting int    // in all queues
	observe func(node int, held bool)
	granted uint64
	handed  uint64
	waits   uint64
	waited  time.Duration
	longest time.Duration
}

// side is one node's part of a Turn.
type side struct {
	queue []*waiter
}

type waiter struct {
	let   chan struct{} // closed when let in
	since time.Time
}

// NewTurn makes a Turn for nodes nodes, numbered from 0. inARow is how many
// holders of one node are let in while another waits, at least 1; abreast is how
// many of one node hold it at the same time, 0 for any number. It is nil, and
// free, where there is nothing to wait for: one node, any number abreast.
func NewTurn(nodes, inARow, abreast int) *Turn {
	if nodes <= 1 && abreast <= 0 {
		return nil
	}
	return &Turn{inARow: max(inARow, 1), abreast: abreast, sides: make([]side, max(nodes, 1))}
}

// Take waits for the turn of the numbered node. The Hold must be released, once
// is enough. When ctx ends first, it returns the context's error.
func (t *Turn) Take(ctx context.Context, node int) (*Hold, error) {
	if t == nil {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := t.enter(node)
	if w == nil {
		return &Hold{turn: t}, nil
	}
	select {
	case <-w.let:
		return &Hold{turn: t}, nil
	case <-ctx.Done():
		t.leave(node, w)
		return nil, ctx.Err()
	}
}

// enter takes the turn at once, or returns what to wait on.
func (t *Turn) enter(node int) *waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &waiter{let: make(chan struct{}), since: time.Now()}
	t.sides[node].queue = append(t.sides[node].queue, w)
	t.waiting++
	t.letIn()
	select {
	case <-w.let:
		return nil
	default:
		t.waits++
		return w
	}
}

// leave takes back a request, or what came of it in the meantime.
func (t *Turn) leave(node int, w *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	queue := t.sides[node].queue
	if i := slices.Index(queue, w); i >= 0 {
		t.sides[node].queue = slices.Delete(queue, i, i+1)
		t.waiting--
	} else {
		t.release()
	}
	t.letIn() // one less may wait for another node to be done
}

// letIn lets in who may hold the turn now. Called with mu held.
func (t *Turn) letIn() {
	for t.waiting > 0 {
		if t.holders == 0 && (t.spent() || len(t.sides[t.owner].queue) == 0) {
			t.pass()
		}
		s := &t.sides[t.owner]
		if len(s.queue) == 0 || t.spent() || (t.abreast > 0 && t.holders >= t.abreast) {
			return
		}
		w := s.queue[0]
		s.queue = slices.Delete(s.queue, 0, 1)
		t.admit(w)
	}
}

// spent tells whether the node has had its share while others wait. Called with
// mu held.
func (t *Turn) spent() bool {
	return t.row >= t.inARow && t.waiting > len(t.sides[t.owner].queue)
}

// pass gives the turn to the next node with a waiter. Called with mu held.
func (t *Turn) pass() {
	for i := range t.sides {
		next := (t.owner + 1 + i) % len(t.sides)
		if len(t.sides[next].queue) == 0 {
			continue
		}
		if next != t.owner {
			t.handed++
		}
		t.owner, t.row = next, 0
		return
	}
}

// admit lets the waiter in. Called with mu held.
func (t *Turn) admit(w *waiter) {
	waited := time.Since(w.since)
	t.waiting--
	t.holders++
	t.row++
	t.granted++
	t.waited += waited
	t.longest = max(t.longest, waited)
	if t.observe != nil {
		t.observe(t.owner, true)
	}
	close(w.let)
}

// release ends one holder's turn. Called with mu held.
func (t *Turn) release() {
	t.holders--
	if t.observe != nil {
		t.observe(t.owner, false)
	}
}

// Observe has f told of every holder that is let in or lets go, with the node's
// number, for tracing. f runs with the turn's lock held: it must be short, and
// must not use the Turn. Call it before the Turn is used.
func (t *Turn) Observe(f func(node int, held bool)) {
	if t != nil {
		t.observe = f
	}
}

// TurnStats are what a [Turn] did since it was made.
type TurnStats struct {
	Taken   uint64        `json:"taken"`   // holders let in
	Handed  uint64        `json:"handed"`  // of these, the turn came from another node
	Waits   uint64        `json:"waits"`   // who had to wait
	Waited  time.Duration `json:"waited"`  // by all together, in ns
	Longest time.Duration `json:"longest"` // wait, in ns
	Waiting int           `json:"waiting"` // now
	Holders int           `json:"holders"` // now
}

// Stats tells the present numbers; zeros of the nil Turn.
func (t *Turn) Stats() TurnStats {
	if t == nil {
		return TurnStats{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return TurnStats{
		Taken: t.granted, Handed: t.handed, Waits: t.waits, Waited: t.waited, Longest: t.longest,
		Waiting: t.waiting, Holders: t.holders,
	}
}
