package main

import (
	"fmt"

	"tango/test/program"
	"tango/test/sides"
	"tango/test/stats"
)

// report is all that a run has measured.
type report struct {
	program.Header
	Sizes sizes    `json:"sizes"`
	Tango []*burst `json:"tango"` // by round
	Stock []*burst `json:"stock"`

	callers int    // how many to print
	locks   string // which locks the bursts' parts are of
}

// sizes are the settings that numbers depend on.
type sizes struct {
	Containers, Concurrency, Layers int
	UserNamespaces                  bool
}

func newReport(s settings) (*report, error) {
	header, err := program.NewHeader()
	if err != nil {
		return nil, err
	}
	locks := "mount locks"
	if s.all {
		locks = "any lock"
	}
	return &report{
		Header: header, callers: s.callers, locks: locks,
		Sizes: sizes{s.containers, s.concurrency, s.layers, !s.plain},
	}, nil
}

func (r *report) add(s sides.Side, b *burst) {
	if s == sides.Tango {
		r.Tango = append(r.Tango, b)
	} else {
		r.Stock = append(r.Stock, b)
	}
}

// bursts are the rounds of a side.
func (r *report) bursts(s sides.Side) []*burst {
	if s == sides.Tango {
		return r.Tango
	}
	return r.Stock
}

// values are what get returns of every round of both sides.
func (r *report) values(get func(*burst) float64) (values sides.Samples) {
	for _, s := range sides.Two {
		for _, b := range r.bursts(s) {
			values[s] = append(values[s], get(b))
		}
	}
	return values
}

// check fails if tango's waits are more than a share of the stock shim's, unless
// that is 0.
func (r *report) check(atMost float64) error {
	values := r.values(func(b *burst) float64 { return b.Mount.Total })
	a, b := stats.QuantileOf(values[sides.Tango], 0.5), stats.QuantileOf(values[sides.Stock], 0.5)
	if atMost > 0 && a > atMost*b {
		return fmt.Errorf("tango has waited %.0f ms for mount locks, the stock shim %.0f ms: more than %.2f of it", a, b, atMost)
	}
	return nil
}
