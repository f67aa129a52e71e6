package main

import (
	"tango/test/program"
	"tango/test/sides"
	"tango/test/stats"
)

// row is what was measured of one thing.
type row struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Unit   string `json:"unit"`
	Detail bool   `json:"detail,omitempty"` // part of the row above: in the table, in no picture
	Group  string `json:"group,omitempty"`  // rows of one group are a curve over X
	X      int    `json:"x,omitempty"`

	Tango stats.Summary `json:"tango"`
	Stock stats.Summary `json:"stock"`
	versus
	Crun *rival `json:"crun,omitempty"` // where it took part
}

// versus is how tango compares.
type versus struct {
	Ratio   *stats.Interval `json:"ratio"` // of the medians, tango's to the other's; null where that is 0
	Verdict string          `json:"verdict"`
}

// rival is what was measured of another side than the stock shim with runc.
type rival struct {
	stats.Summary
	versus
}

// report is all that a run has measured, and where.
type report struct {
	program.Header
	Seconds  float64       `json:"seconds"`
	Sizes    sizes         `json:"sizes"`
	Rows     []row         `json:"rows"`
	Growth   []growth      `json:"growth"`
	Burst    sides.Samples `json:"burst"` // every create+start of all bursts, in ms
	Versions [][]string    `json:"versions"`
}

// sizes are the settings that numbers depend on.
type sizes struct {
	Rounds, Warmup, Layers, Burst, Concurrency, Bursts, Pods int
}

func (b *bench) newReport() (*report, error) {
	header, err := program.NewHeader()
	if err != nil {
		return nil, err
	}
	return &report{
		Header: header,
		Sizes:  sizes{b.settings.rounds, b.warmup, b.layers, b.burst, b.concurrency, b.bursts, b.pods},
	}, nil
}

// add completes a row with what was measured.
func (r *report) add(line row, measured sides.Samples) {
	line.Tango, line.Stock = stats.Summarize(measured[sides.Tango]), stats.Summarize(measured[sides.Stock])
	line.versus = compareWith(measured, sides.Stock)
	if len(measured[sides.Crun]) > 0 {
		line.Crun = &rival{stats.Summarize(measured[sides.Crun]), compareWith(measured, sides.Crun)}
	}
	r.Rows = append(r.Rows, line)
}

func compareWith(measured sides.Samples, other sides.Side) versus {
	if stats.QuantileOf(measured[other], 0.5) == 0 {
		return versus{Verdict: "noise"}
	}
	ratio := stats.RatioOfMedians(measured[sides.Tango], measured[other])
	return versus{&ratio, stats.Verdict(ratio, len(measured[sides.Tango]))}
}

// find returns a row by its ID, or nil.
func (r *report) find(id string) *row {
	for i := range r.Rows {
		if r.Rows[i].ID == id {
			return &r.Rows[i]
		}
	}
	return nil
}

// group returns the rows of a curve.
func (r *report) group(name string) []row {
	var found []row
	for _, line := range r.Rows {
		if line.Group == name {
			found = append(found, line)
		}
	}
	return found
}

// withCrun reports whether crun took part in anything.
func (r *report) withCrun() bool {
	for _, line := range r.Rows {
		if line.Crun != nil {
			return true
		}
	}
	return false
}
