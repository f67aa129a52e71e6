package telemetry

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// maxSeries bounds each table: what shims send must not grow without end.
const maxSeries = 4096

// maxShims bounds the table of shims; dead ones are taken out when it is full.
const maxShims = 4096

type operationKey struct{ op, arm, way, result string }
type phaseKey struct{ op, phase, arm string }
type countKey struct{ name, arm string }

// tally is the collector's sums.
type tally struct {
	mu         sync.Mutex // guards the following
	records    uint64
	bad        uint64
	dropped    uint64
	lost       uint64
	operations map[operationKey]uint64
	phases     map[phaseKey]*Histogram
	counts     map[countKey]uint64
	shims      map[int]map[string]int64
}

func newTally() *tally {
	return &tally{
		operations: map[operationKey]uint64{},
		phases:     map[phaseKey]*Histogram{},
		counts:     map[countKey]uint64{},
		shims:      map[int]map[string]int64{},
	}
}

// add counts a valid record.
func (t *tally) add(r *Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.records++
	t.dropped += r.Dropped
	if key := (operationKey{r.Op, r.Arm, r.Way, r.Result}); hasRoom(t.operations, key) {
		t.operations[key]++
	}
	for _, p := range append(r.Phases, Phase{Name: "total", Took: r.Took}) {
		key := phaseKey{r.Op, p.Name, r.Arm}
		if !hasRoom(t.phases, key) {
			continue
		}
		if t.phases[key] == nil {
			t.phases[key] = new(Histogram)
		}
		t.phases[key].Observe(p.Took)
	}
	for name, n := range r.Counts {
		if key := (countKey{name, r.Arm}); hasRoom(t.counts, key) {
			t.counts[key] += uint64(n)
		}
	}
	t.addShim(r)
}

// addShim notes what a shim said of itself.
func (t *tally) addShim(r *Record) {
	if r.Shim == 0 || r.Gauges == nil {
		return
	}
	if len(t.shims) >= maxShims {
		t.sweepShims()
	}
	if _, known := t.shims[r.Shim]; known || len(t.shims) < maxShims {
		t.shims[r.Shim] = r.Gauges
	}
}

func (t *tally) sweepShims() {
	maps.DeleteFunc(t.shims, func(pid int, _ map[string]int64) bool { return !alive(pid) })
}

// alive tells whether there is a process of this number. It may be another one by
// now: numbers that a shim left are no better than none, but do no harm.
func alive(pid int) bool { return unix.Kill(pid, 0) != unix.ESRCH }

func hasRoom[K comparable, V any](m map[K]V, key K) bool {
	_, known := m[key]
	return known || len(m) < maxSeries
}

func (t *tally) addBad()  { t.mu.Lock(); t.bad++; t.mu.Unlock() }
func (t *tally) addLost() { t.mu.Lock(); t.lost++; t.mu.Unlock() }

// snapshot copies the sums, in a fixed order.
func (t *tally) snapshot() Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweepShims()
	s := Snapshot{
		Version: snapshotVersion, Pid: os.Getpid(), Tracing: tracingSettings(os.Environ()),
		Records: t.records, Bad: t.bad, Dropped: t.dropped, Lost: t.lost,
		Operations: []Operation{}, Phases: []PhaseTimes{}, Counts: []Count{}, Shims: []Shim{},
	}
	for k, n := range t.operations {
		s.Operations = append(s.Operations, Operation{Op: k.op, Arm: k.arm, Way: k.way, Result: k.result, Count: n})
	}
	for k, h := range t.phases {
		s.Phases = append(s.Phases, PhaseTimes{Op: k.op, Phase: k.phase, Arm: k.arm, Times: *h})
	}
	for k, n := range t.counts {
		s.Counts = append(s.Counts, Count{Name: k.name, Arm: k.arm, Count: n})
	}
	for pid, gauges := range t.shims {
		s.Shims = append(s.Shims, Shim{Pid: pid, Gauges: maps.Clone(gauges)})
	}
	sortByText(s.Operations)
	slices.SortFunc(s.Phases, func(a, b PhaseTimes) int {
		return cmp.Or(cmp.Compare(a.Op, b.Op), cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Arm, b.Arm))
	})
	sortByText(s.Counts)
	slices.SortFunc(s.Shims, func(a, b Shim) int { return cmp.Compare(a.Pid, b.Pid) })
	return s
}

func sortByText[T any](list []T) {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}
