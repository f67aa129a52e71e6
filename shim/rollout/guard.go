package rollout

import (
	"fmt"
	"math"
	"sync"
	"time"
)

const (
	// DefaultGuard is in percentage points.
	DefaultGuard = 5
	// window is how many outcomes of an arm count, the latest ones, ...
	window = 200
	// ... and for how long.
	memory = time.Hour
	// enough outcomes for a judgement.
	enough = 20
	// enoughPods must have seen a failure: one pod that fails over and over, for a
	// reason of its own, says nothing about the arm it happens to be in.
	enoughPods = 3
	// z makes intervals of 95 percent.
	z = 1.96
)

// Outcome is how one create or start went.
type Outcome struct {
	At     time.Time
	Arm    string
	Pod    string
	Failed bool
}

// Guard watches how often the arms fail.
//
// It judges only the arm that is tried, never the base: switching that one off
// would widen a rollout that somebody chose to be narrow.
type Guard struct {
	mu   sync.Mutex // guards arms
	arms map[string][]Outcome
}

// NewGuard returns a guard that has seen nothing.
func NewGuard() *Guard { return &Guard{arms: map[string][]Outcome{}} }

// Note counts an outcome.
func (g *Guard) Note(o Outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := recent(append(g.arms[o.Arm], o), o.At)
	g.arms[o.Arm] = list
}

// recent are the outcomes that count, in a list that doesn't grow.
func recent(list []Outcome, now time.Time) []Outcome {
	first := max(0, len(list)-window)
	for first < len(list) && now.Sub(list[first].At) > memory {
		first++
	}
	return append(list[:0], list[first:]...)
}

// Rate is how often an arm failed lately.
type Rate struct {
	Starts int     `json:"starts"`
	Failed int     `json:"failed"`
	Pods   int     `json:"pods"` // that saw a failure
	Low    float64 `json:"low"`  // the 95 percent interval of the rate
	High   float64 `json:"high"`
}

// Value is the rate itself; 0 if nothing is known.
func (r Rate) Value() float64 {
	if r.Starts == 0 {
		return 0
	}
	return float64(r.Failed) / float64(r.Starts)
}

// Rates tells how often the arms failed lately.
func (g *Guard) Rates() map[string]Rate {
	g.mu.Lock()
	defer g.mu.Unlock()
	rates := map[string]Rate{}
	for arm, list := range g.arms {
		rates[arm] = rate(list)
	}
	return rates
}

// Forget has an arm begin anew, as after it was switched on again.
func (g *Guard) Forget(arm string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.arms, arm)
}

// Judge tells whether arm fails too often, compared with base, and says why.
// points is the bound; 0 is [DefaultGuard].
func (g *Guard) Judge(arm, base string, points float64) (why string, bad bool) {
	if points == 0 {
		points = DefaultGuard
	}
	rates := g.Rates()
	a, b := rates[arm], rates[base]
	if arm == base || a.Starts < enough || a.Pods < enoughPods || a.Low <= b.Value()+points/100 {
		return "", false
	}
	return fmt.Sprintf("%d of the last %d starts failed in %d pods, %d of %d in arm %s; the bound is %v points more",
		a.Failed, a.Starts, a.Pods, b.Failed, b.Starts, base, points), true
}

func rate(list []Outcome) Rate {
	r := Rate{Starts: len(list)}
	pods := map[string]struct{}{}
	for _, o := range list {
		if o.Failed {
			r.Failed++
			pods[o.Pod] = struct{}{}
		}
	}
	r.Pods = len(pods)
	r.Low, r.High = Wilson(r.Failed, r.Starts)
	return r
}

// Wilson is the 95 percent interval of a rate of which k of n were seen. It holds
// for small n and for k of 0, where a normal approximation claims certainty.
func Wilson(k, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	count, p := float64(n), float64(k)/float64(n)
	center := p + z*z/(2*count)
	spread := z * math.Sqrt(p*(1-p)/count+z*z/(4*count*count))
	scale := 1 + z*z/count
	return max(0, (center-spread)/scale), min(1, (center+spread)/scale)
}
