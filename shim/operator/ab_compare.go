package operator

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tango/shim/rollout"
	"tango/shim/telemetry"
)

// enoughTimes is how many times a phase must have been measured in each arm to be
// compared: below, a bootstrap's interval promises too much.
const enoughTimes = 20

// Comparison is what tango ab report says. It is what --json prints.
type Comparison struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Sources  int       `json:"sources"`
	Records  int       `json:"records"`
	BadLines int       `json:"badLines"`
	Nodes    int       `json:"nodes"`
	// Base is the arm that Tried is compared with.
	Base     string       `json:"base"`
	Tried    string       `json:"tried"`
	Warnings []string     `json:"warnings"`
	Arms     []ArmSummary `json:"arms"`
	Phases   []PhaseDiff  `json:"phases"`
	// Strata are the nodes of one kernel and class of hardware each, compared by
	// the whole of a create.
	Strata []Stratum `json:"strata"`
}

// ArmSummary is how an arm did.
type ArmSummary struct {
	Arm    string `json:"arm"`
	Nodes  int    `json:"nodes"`
	Pods   int    `json:"pods"`
	Starts int    `json:"starts"` // creates and starts
	// Failed are those that failed by the runtime's fault, Rate their part.
	Failed  int            `json:"failed"`
	Rate    float64        `json:"rate"`
	RateIn  Interval       `json:"rateInterval"`
	Results map[string]int `json:"results"`
	Layers  float64        `json:"meanLayers"`
}

// PhaseDiff compares a phase.
type PhaseDiff struct {
	Name  string    `json:"name"` // "create.rootfs"; "create.total" is all of it
	Base  Times     `json:"base"`
	Tried Times     `json:"tried"`
	Ratio *Ratio    `json:"ratio,omitempty"` // tried to base; missing with too little data
	order [2]int    // for sorting: operation, when it begins
	base  durations // sorted
	tried durations
}

type durations []time.Duration

// Times sum up how long something took, in nanoseconds.
type Times struct {
	Count  int           `json:"count"`
	P10    time.Duration `json:"p10"`
	Median time.Duration `json:"median"`
	P90    time.Duration `json:"p90"`
	P99    time.Duration `json:"p99"`
}

// Stratum is a part of the nodes.
type Stratum struct {
	Kernel   string `json:"kernel"`
	Hardware string `json:"hardware"`
	Nodes    int    `json:"nodes"`
	PhaseDiff
}

// compare makes the comparison.
func compare(g *gathered, base string) (*Comparison, error) {
	arms := map[string][]telemetry.Record{}
	g.dropTwins()
	for _, r := range g.records {
		if rollout.IsArm(r.Arm) {
			arms[r.Arm] = append(arms[r.Arm], r)
		}
	}
	if len(arms[base]) == 0 {
		return nil, fmt.Errorf("cannot compare: no record is of arm %q, which is what --base names; there are %q", base, slices.Sorted(maps.Keys(arms)))
	}
	tried := largest(arms, base)
	if tried == "" {
		return nil, fmt.Errorf("cannot compare: all records are of arm %q", base)
	}
	c := &Comparison{Sources: g.sources, Records: len(g.records), BadLines: g.bad, Base: base, Tried: tried, Warnings: []string{}}
	c.From, c.To = span(g.records)
	c.Nodes = len(distinct(g.records, func(r telemetry.Record) string { return r.Node }))
	c.Arms = []ArmSummary{summarize(tried, arms[tried]), summarize(base, arms[base])}
	c.Phases = comparePhases(arms[base], arms[tried])
	c.Strata = compareStrata(arms[base], arms[tried])
	c.warn(g, arms)
	return c, nil
}

// largest is the arm with most records, but for the base.
func largest(arms map[string][]telemetry.Record, base string) (tried string) {
	for _, arm := range slices.Sorted(maps.Keys(arms)) {
		if arm != base && len(arms[arm]) > len(arms[tried]) {
			tried = arm
		}
	}
	return tried
}

func span(records []telemetry.Record) (from, to time.Time) {
	for i, r := range records {
		if i == 0 || r.Time.Before(from) {
			from = r.Time
		}
		if r.Time.After(to) {
			to = r.Time
		}
	}
	return from, to
}

func distinct(records []telemetry.Record, of func(telemetry.Record) string) map[string]int {
	n := map[string]int{}
	for _, r := range records {
		n[of(r)]++
	}
	return n
}

func isStart(r telemetry.Record) bool {
	return r.Op == telemetry.OpCreate || r.Op == telemetry.OpStart
}

func summarize(arm string, records []telemetry.Record) ArmSummary {
	s := ArmSummary{Arm: arm, Results: map[string]int{}}
	s.Nodes = len(distinct(records, func(r telemetry.Record) string { return r.Node }))
	s.Pods = len(distinct(records, func(r telemetry.Record) string { return r.Node + "\x00" + r.Pod }))
	layers, creates := int64(0), 0
	for _, r := range records {
		if !isStart(r) {
			continue
		}
		s.Starts++
		s.Results[r.Result]++
		if r.Blames() {
			s.Failed++
		}
		if r.Op == telemetry.OpCreate {
			creates++
			layers += r.Counts["layers"]
		}
	}
	s.Rate = float64(s.Failed) / float64(max(s.Starts, 1))
	s.RateIn.Low, s.RateIn.High = rollout.Wilson(s.Failed, s.Starts)
	s.Layers = float64(layers) / float64(max(creates, 1))
	return s
}

// phasesOf are the times of all phases of what went well, sorted, and where each
// phase belongs in a list.
func phasesOf(records []telemetry.Record) (map[string]durations, map[string][2]int) {
	times, order := map[string]durations{}, map[string][2]int{}
	ops := []string{telemetry.OpCreate, telemetry.OpStart, telemetry.OpExec, telemetry.OpDelete}
	for _, r := range records {
		op := slices.Index(ops, r.Op)
		if !r.OK() || op < 0 {
			continue
		}
		add := func(name string, at, took time.Duration) {
			times[name] = append(times[name], took)
			if _, known := order[name]; !known {
				order[name] = [2]int{op, int(at)}
			}
		}
		add(r.Op+".total", -1, r.Took)
		for _, p := range r.Phases {
			add(r.Op+"."+p.Name, p.At, p.Took)
		}
		if at, took, both := rootOf(r); both {
			add(wholeRoot, at, took)
		}
	}
	for _, list := range times {
		slices.Sort(list)
	}
	return times, order
}

// A root filesystem is made and put in place in these phases. The control arm makes it
// where it belongs, in the second, and others do most in the first: only their sum can
// be compared with control.
const (
	rootPhase  = "rootfs"
	placePhase = "place"
	wholeRoot  = telemetry.OpCreate + "." + rootPhase + "+" + placePhase
)

// halfRoot tells whether a phase is one of the two, in a comparison with control.
func (c *Comparison) halfRoot(name string) bool {
	return (c.Base == rollout.Control || c.Tried == rollout.Control) &&
		(name == telemetry.OpCreate+"."+rootPhase || name == telemetry.OpCreate+"."+placePhase)
}

// rootOf is the sum, and when its second part begins.
func rootOf(r telemetry.Record) (at, took time.Duration, both bool) {
	parts := 0
	for _, p := range r.Phases {
		if r.Op == telemetry.OpCreate && (p.Name == rootPhase || p.Name == placePhase) {
			at, took = max(at, p.At), took+p.Took
			parts++
		}
	}
	return at, took, parts == 2
}

func comparePhases(base, tried []telemetry.Record) []PhaseDiff {
	a, order := phasesOf(tried)
	b, more := phasesOf(base)
	maps.Copy(more, order)
	list := []PhaseDiff{}
	for name, place := range more {
		d := diff(name, b[name], a[name])
		d.order = place
		list = append(list, d)
	}
	slices.SortFunc(list, func(x, y PhaseDiff) int {
		return cmp.Or(slices.Compare(x.order[:], y.order[:]), cmp.Compare(x.Name, y.Name))
	})
	return list
}

func diff(name string, base, tried durations) PhaseDiff {
	d := PhaseDiff{Name: name, Base: timesOf(base), Tried: timesOf(tried), base: base, tried: tried}
	if min(len(base), len(tried)) >= enoughTimes {
		ratio := medianRatio(tried, base)
		d.Ratio = &ratio
	}
	return d
}

func timesOf(sorted durations) Times {
	return Times{
		Count: len(sorted), P10: quantile(sorted, 0.1), Median: quantile(sorted, 0.5),
		P90: quantile(sorted, 0.9), P99: quantile(sorted, 0.99),
	}
}

// stratumOf is what nodes are compared within.
func stratumOf(r telemetry.Record) string { return r.Kernel + "\x00" + r.Hardware }

func compareStrata(base, tried []telemetry.Record) []Stratum {
	const whole = telemetry.OpCreate + ".total"
	all := slices.Concat(base, tried)
	list := []Stratum{}
	for _, key := range slices.Sorted(maps.Keys(distinct(all, stratumOf))) {
		in := func(records []telemetry.Record) []telemetry.Record {
			return slices.DeleteFunc(slices.Clone(records), func(r telemetry.Record) bool { return stratumOf(r) != key })
		}
		a, _ := phasesOf(in(tried))
		b, _ := phasesOf(in(base))
		kernel, hardware, _ := strings.Cut(key, "\x00")
		list = append(list, Stratum{
			Kernel: kernel, Hardware: hardware, PhaseDiff: diff(whole, b[whole], a[whole]),
			Nodes: len(distinct(in(all), func(r telemetry.Record) string { return r.Node })),
		})
	}
	return list
}
