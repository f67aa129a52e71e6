package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// TestTurnBound is the proof by trial of what Turn promises: whatever comes, goes
// and gives up in whatever order, a node that waits sees at most
// (nodes-1) x inARow holders of other nodes let in before its own, holders are
// always of one node and never more than allowed, and nobody waits for nobody.
func TestTurnBound(t *testing.T) {
	for nodes := 1; nodes <= 8; nodes++ {
		for _, inARow := range []int{1, 2, 5} {
			for _, abreast := range []int{0, 1, 3} {
				if nodes == 1 && abreast == 0 {
					continue // no turn to take
				}
				t.Run(fmt.Sprintf("%d-%d-%d", nodes, inARow, abreast), func(t *testing.T) {
					m := newModel(t, nodes, inARow, abreast)
					for range 3000 {
						m.step()
					}
					if m.worst > (nodes-1)*inARow {
						t.Errorf("a node waited for %d of others", m.worst)
					}
					if nodes > 1 && m.worst == 0 {
						t.Error("nobody ever waited: nothing was tried")
					}
				})
			}
		}
	}
}

// model drives a Turn without goroutines, and checks it after every step.
type model struct {
	t       *testing.T
	turn    *Turn
	random  *rand.Rand
	waiting [][]*waiter // by node
	held    []int       // by node
	passed  []int       // by node: others let in since it waits
	worst   int
}

func newModel(t *testing.T, nodes, inARow, abreast int) *model {
	m := &model{
		t: t, turn: NewTurn(nodes, inARow, abreast), random: rand.New(rand.NewPCG(uint64(nodes), uint64(inARow*10+abreast))),
		waiting: make([][]*waiter, nodes), held: make([]int, nodes), passed: make([]int, nodes),
	}
	m.turn.Observe(m.observe)
	return m
}

func (m *model) observe(node int, held bool) {
	if !held {
		m.held[node]--
		return
	}
	m.held[node]++
	m.passed[node] = 0
	for other := range m.passed {
		if other != node && len(m.turn.sides[other].queue) > 0 {
			m.passed[other]++
			m.worst = max(m.worst, m.passed[other])
		}
	}
}

// step lets somebody come, give up or let go.
func (m *model) step() {
	node := m.random.IntN(len(m.held))
	switch m.random.IntN(7) {
	case 0, 1, 2:
		if len(m.waiting[node]) < 20 {
			if w := m.turn.enter(node); w != nil {
				m.waiting[node] = append(m.waiting[node], w)
			}
		}
	case 3:
		if n := len(m.waiting[node]); n > 0 {
			i := m.random.IntN(n)
			w := m.waiting[node][i]
			m.waiting[node] = append(m.waiting[node][:i:i], m.waiting[node][i+1:]...)
			m.turn.leave(node, w) // also when it was let in
		}
	default:
		for other, n := range m.held {
			if n > 0 {
				m.forgetOneLetIn(other)
				(&Hold{turn: m.turn}).Release()
				break
			}
		}
	}
	m.check()
}

// forgetOneLetIn makes sure that who lets go now can't give up later: the holders
// that are in the list of waiters must always be fewer than those that hold.
func (m *model) forgetOneLetIn(node int) {
	in := 0
	for _, w := range m.waiting[node] {
		if isLetIn(w) {
			in++
		}
	}
	if m.held[node] > in {
		return
	}
	i := slices.IndexFunc(m.waiting[node], isLetIn)
	m.waiting[node] = slices.Delete(m.waiting[node], i, i+1)
}

func isLetIn(w *waiter) bool {
	select {
	case <-w.let:
		return true
	default:
		return false
	}
}

func (m *model) check() {
	m.t.Helper()
	holding, total := 0, 0
	for node, n := range m.held {
		if len(m.turn.sides[node].queue) == 0 {
			m.passed[node] = 0 // who gave up waits no more
		}
		if n > 0 {
			holding++
			total += n
		}
		if n < 0 {
			m.t.Fatal("more let go than held")
		}
		if m.turn.abreast > 0 && n > m.turn.abreast {
			m.t.Fatalf("%d hold the turn, allowed are %d", n, m.turn.abreast)
		}
	}
	if holding > 1 {
		m.t.Fatalf("%d nodes hold the turn: %v", holding, m.held)
	}
	if total != m.turn.holders {
		m.t.Fatalf("%d hold the turn, it counts %d", total, m.turn.holders)
	}
	if total == 0 && m.turn.waiting > 0 {
		m.t.Fatalf("%d wait while nobody holds the turn", m.turn.waiting)
	}
}

// TestTurnExcludes has threads take turns for real: nodes never overlap.
func TestTurnExcludes(t *testing.T) {
	const nodes, threads, rounds = 4, 6, 300
	turn := NewTurn(nodes, 3, 2)
	var holders [nodes]atomic.Int64
	var all sync.WaitGroup
	for node := range nodes {
		for range threads {
			all.Go(func() {
				for range rounds {
					hold, err := turn.Take(patient(t), node)
					if err != nil {
						t.Error(err)
						return
					}
					holders[node].Add(1)
					for other := range nodes {
						if n := holders[other].Load(); (other != node && n > 0) || n > 2 {
							t.Errorf("%d of node %d hold the turn with node %d", n, other, node)
						}
					}
					holders[node].Add(-1)
					hold.Release()
					hold.Release()
				}
			})
		}
	}
	all.Wait()
	if s := turn.Stats(); s.Taken != nodes*threads*rounds || s.Holders != 0 || s.Waiting != 0 {
		t.Errorf("afterwards: %+v", s)
	}
}

func TestTurnGivenUp(t *testing.T) {
	turn := NewTurn(2, 1, 1)
	hold, err := turn.Take(patient(t), 0)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		_, err := turn.Take(ctx, 1)
		ended <- err
	}()
	eventually(t, "a waiter", func() bool { return turn.Stats().Waiting == 1 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	hold.Release()
	hold, err = turn.Take(patient(t), 1)
	must(t, err)
	hold.Release()
	if _, err := turn.Take(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("taken by somebody gone: %v", err)
	}
}

func TestNoTurn(t *testing.T) {
	turn := NewTurn(1, 4, 0)
	if turn != nil {
		t.Fatal("one node without a limit has a turn to take")
	}
	hold, err := turn.Take(patient(t), 0)
	must(t, err)
	hold.Release()
	turn.Observe(nil)
	if s := turn.Stats(); s != (TurnStats{}) {
		t.Errorf("%+v", s)
	}
}

// BenchmarkTurn: on one node a turn costs nothing; on several, what a mutex costs.
func BenchmarkTurn(b *testing.B) {
	for _, nodes := range []int{1, 2} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			turn := NewTurn(nodes, 4, 0)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				hold, _ := turn.Take(ctx, 0)
				hold.Release()
			}
		})
	}
}
