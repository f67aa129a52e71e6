package worker

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"tango/mounts/kernel"
	"tango/mounts/topology"
)

// TestMountCallsComeFromTheTurnsNode traces the kernel while all nodes are kept
// busy: every mount call is made on a CPU of the node that has the turn at that
// moment, batches form, and no node waits longer than the bound.
func TestMountCallsComeFromTheTurnsNode(t *testing.T) {
	m := nodes(t)
	r := record(t)
	config := Config{InARow: 2, Abreast: 1, BatchItems: 8, Settle: time.Millisecond, HighWater: 4}
	w := start(t, m, config)
	worst := observe(w.Turn(), r)
	busy(t, w)
	w.Close()
	events := r.stop()

	cpus := cpusByIndex(m, w)
	calls := make([]int, len(cpus))
	holder := -1
	for _, e := range events {
		if e.name == "mark" {
			holder = readMark(t, e.text, holder)
			continue
		}
		if holder < 0 {
			t.Fatalf("%s on CPU %d while no node has the turn", e.name, e.cpu)
		}
		if !cpus[holder].Contains(e.cpu) {
			t.Fatalf("%s on CPU %d while node %v has the turn, with CPUs %s", e.name, e.cpu, w.Nodes()[holder], cpus[holder])
		}
		calls[holder]++
	}
	stats := w.Stats()
	t.Logf("mount calls by node %v; %d turns, %d of them from another node; at most %d of others in a row before a node that waited",
		calls, stats.Turn.Taken, stats.Turn.Handed, *worst)
	if bound := (len(cpus) - 1) * config.InARow; *worst > bound {
		t.Errorf("a node waited for %d turns of others, bound is %d", *worst, bound)
	}
	for i, s := range stats.Nodes {
		// Each job makes five calls: a namespace, its propagation, a filesystem made,
		// attached, and copied.
		if jobs := int(s.Built + s.Attached + s.Detached); calls[i] != 5*jobs || jobs != jobsOfANode {
			t.Errorf("node %d: %d jobs and %d calls", s.Node, jobs, calls[i])
		}
		if s.Largest < 2 || s.Batches >= jobsOfANode {
			t.Errorf("node %d: no batches formed: %+v", s.Node, s)
		}
	}
	if stats.Turn.Handed < uint64(len(cpus)) {
		t.Errorf("the turn hardly moved: %+v", stats.Turn)
	}
}

const (
	threadsOfANode = 8
	jobsOfANode    = threadsOfANode * 10
)

// busy has every node do mount work and free things, all at the same time.
func busy(t *testing.T, w *Workers) {
	var all sync.WaitGroup
	for _, node := range w.Nodes() {
		for i := range threadsOfANode {
			all.Go(func() {
				for range jobsOfANode / threadsOfANode {
					var made *kernel.Mount
					job := Job{Class: Class(i % int(classes)), Moves: true, Run: func() (err error) {
						made, err = mountSomething()
						return err
					}}
					if err := w.Do(patient(t), node, job); err != nil {
						t.Error(err)
						return
					}
					w.Free(node, func() { made.Close() })
				}
			})
		}
	}
	all.Wait()
}

// mountSomething attaches a filesystem in a namespace that is given up again, and
// returns one that is not attached.
func mountSomething() (*kernel.Mount, error) {
	if err := kernel.UnshareNamespace(); err != nil {
		return nil, err
	}
	if err := kernel.SetPropagation("/", kernel.Private, true); err != nil {
		return nil, err
	}
	c, err := kernel.OpenFS("tmpfs")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	m, err := c.Mount(0)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := m.Attach(nil, os.TempDir()); err != nil {
		return nil, err
	}
	return kernel.OpenTree(nil, os.TempDir(), kernel.TreeClone)
}

// observe writes into the trace who has the turn, and counts how many of others
// a waiting node sees let in.
func observe(turn *Turn, r *recording) (worst *int) {
	worst = new(int)
	passed := make([]int, len(turn.sides))
	turn.Observe(func(node int, held bool) {
		if !held {
			r.mark("out %d", node)
			return
		}
		r.mark("in %d", node)
		passed[node] = 0
		for other := range passed {
			if other != node && len(turn.sides[other].queue) > 0 {
				passed[other]++
				*worst = max(*worst, passed[other])
			}
		}
	})
	return worst
}

// readMark returns which node has the turn after the mark; -1 for none.
func readMark(t *testing.T, text string, before int) int {
	t.Helper()
	var what string
	var node int
	if _, err := fmt.Sscan(text, &what, &node); err != nil {
		t.Fatalf("mark %q: %v", text, err)
	}
	switch {
	case what == "in" && before < 0:
		return node
	case what == "out" && before == node:
		return -1
	}
	t.Fatalf("%q while node %d has the turn", text, before)
	return -1
}

// cpusByIndex are the CPUs of the nodes with workers, in their order.
func cpusByIndex(m *topology.Machine, w *Workers) (cpus []topology.CPUSet) {
	for _, n := range m.Nodes() {
		if slices.Contains(w.Nodes(), n.ID) {
			cpus = append(cpus, n.CPUs)
		}
	}
	return cpus
}
