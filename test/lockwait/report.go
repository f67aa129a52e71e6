package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"tango/test/machine"
	"tango/test/stats"
)

// report is all that a run has measured.
type report struct {
	Began   time.Time       `json:"began"`
	Machine machine.Machine `json:"machine"`
	Sizes   sizes           `json:"sizes"`
	Tango   []*burst        `json:"tango"` // by round
	Stock   []*burst        `json:"stock"`

	callers int    // how many to print
	locks   string // which locks the bursts' parts are of
}

// sizes are the settings that numbers depend on.
type sizes struct {
	Containers, Concurrency, Layers int
	UserNamespaces                  bool
}

func newReport(s settings) (*report, error) {
	m, err := machine.Describe()
	if err != nil {
		return nil, err
	}
	locks := "mount locks"
	if s.all {
		locks = "any lock"
	}
	return &report{
		Began: time.Now().UTC().Truncate(time.Second), Machine: m, callers: s.callers, locks: locks,
		Sizes: sizes{s.containers, s.concurrency, s.layers, !s.plain},
	}, nil
}

func (r *report) add(s side, b *burst) {
	if s == tango {
		r.Tango = append(r.Tango, b)
	} else {
		r.Stock = append(r.Stock, b)
	}
}

// bursts are the rounds of a side.
func (r *report) bursts(s side) []*burst {
	if s == tango {
		return r.Tango
	}
	return r.Stock
}

// values are what get returns of every round of both sides.
func (r *report) values(get func(*burst) float64) (values [2][]float64) {
	for _, s := range order(0) {
		for _, b := range r.bursts(s) {
			values[s] = append(values[s], get(b))
		}
	}
	return values
}

// save writes the report as JSON.
func (r *report) save(path string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("cannot write the report: %w", err)
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// check fails if tango's waits are more than a share of the stock shim's, unless
// that is 0.
func (r *report) check(atMost float64) error {
	values := r.values(func(b *burst) float64 { return b.Mount.Total })
	a, b := stats.QuantileOf(values[tango], 0.5), stats.QuantileOf(values[stock], 0.5)
	if atMost > 0 && a > atMost*b {
		return fmt.Errorf("tango has waited %.0f ms for mount locks, the stock shim %.0f ms: more than %.2f of it", a, b, atMost)
	}
	return nil
}
