package worker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"tango/mounts/topology"
)

// Workers are one [Worker] and one [Lane] for each NUMA node that this process
// may run on, and the turn between them. They are safe for concurrent use.
type Workers struct {
	turn     *Turn
	stations []station
	choice   choice
	activity *activity
	leases   atomic.Uint64
	expired  atomic.Uint64
}

// station is what stands on one node.
type station struct {
	node   topology.NodeID
	worker *Worker
	lane   *Lane
}

// errNoCPU says that no node is left to run on.
var errNoCPU = errors.New("no NUMA node has a CPU that this process may use")

// Open starts the workers of the machine, one for each node with CPUs that the
// process's cgroup allows. They must be closed.
func Open(m *topology.Machine, c Config) (_ *Workers, retErr error) {
	c = c.withDefaults()
	nodes, choice := usable(m)
	if len(nodes) == 0 {
		return nil, fmt.Errorf("cannot start mount workers: %w", errNoCPU)
	}
	w := &Workers{turn: NewTurn(len(nodes), c.InARow, c.Abreast), choice: choice, activity: &activity{}}
	defer func() {
		if retErr != nil {
			w.Close()
		}
	}()
	for i, n := range nodes {
		s, err := w.openStation(i, n, len(nodes) > 1, c)
		if err != nil {
			return nil, fmt.Errorf("cannot start the mount worker of node %d: %w", n.ID, err)
		}
		w.stations = append(w.stations, s)
	}
	return w, nil
}

// openStation starts a node's threads. Where there is one node only they may run
// wherever the process may, which is what its CPUs are.
func (w *Workers) openStation(index int, n topology.Node, pinned bool, c Config) (station, error) {
	cpus := n.CPUs
	if !pinned {
		cpus = topology.CPUSet{}
	}
	worker, err := startWorker(workerConfig{
		cpus: cpus, turn: w.turn, index: index, queue: c.Queue, items: c.BatchItems, span: c.BatchTime,
	}, w.activity)
	if err != nil {
		return station{}, err
	}
	lane := NewLane(LaneConfig{
		HighWater: c.HighWater, Settle: c.Settle,
		cpus: cpus, turn: w.turn, index: index, items: c.BatchItems, activity: w.activity,
	})
	return station{node: n.ID, worker: worker, lane: lane}, nil
}

// Do runs the job on the worker of the node, or of the nearest that has one; see
// [Worker.Do]. [AnyNode] is the one that the caller runs on.
func (w *Workers) Do(ctx context.Context, node topology.NodeID, job Job) error {
	return w.stations[w.choice.index(node)].worker.Do(ctx, job)
}

// Free has f run when nobody waits for mount work, on the node's lane. After
// Close it is run at once.
func (w *Workers) Free(node topology.NodeID, f func()) {
	if !w.stations[w.choice.index(node)].lane.Free(f) {
		f()
	}
}

// Lease waits for the node's turn and lends it for at most the given time, for
// mount work that others do. While it is held, lanes wait.
func (w *Workers) Lease(ctx context.Context, node topology.NodeID, most time.Duration) (*Lease, error) {
	w.activity.begin()
	hold, err := w.turn.Take(ctx, w.choice.index(node))
	if err != nil {
		w.activity.end()
		return nil, err
	}
	w.leases.Add(1)
	return newLease(hold, most, w.activity.end, func() { w.expired.Add(1) }), nil
}

// Turn is the turn between the workers; nil if there is one node and no limit.
func (w *Workers) Turn() *Turn { return w.turn }

// Nodes are the nodes that have a worker.
func (w *Workers) Nodes() []topology.NodeID {
	ids := make([]topology.NodeID, len(w.stations))
	for i, s := range w.stations {
		ids[i] = s.node
	}
	return ids
}

// Stats tells the present numbers.
func (w *Workers) Stats() Stats {
	s := Stats{Turn: w.turn.Stats(), Leases: w.leases.Load(), Expired: w.expired.Load()}
	for _, st := range w.stations {
		one := st.worker.counters.stats()
		one.Node, one.Queued, one.Lane = int(st.node), len(st.worker.queue), st.lane.Stats()
		s.Nodes = append(s.Nodes, one)
	}
	return s
}

// Close ends the workers when their running batches are done, frees what waits
// to be freed, and ends all threads. Leases that are out stay harmless.
func (w *Workers) Close() {
	for _, s := range w.stations {
		s.worker.Close()
	}
	for _, s := range w.stations {
		s.lane.Close()
	}
}
