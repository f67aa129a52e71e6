package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"tango/test/machine"
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

	Tango   stats.Summary   `json:"tango"`
	Stock   stats.Summary   `json:"stock"`
	Ratio   *stats.Interval `json:"ratio"` // of the medians, tango/stock; null where stock's is 0
	Verdict string          `json:"verdict"`
}

// report is all that a run has measured, and where.
type report struct {
	Began    time.Time       `json:"began"`
	Seconds  float64         `json:"seconds"`
	Machine  machine.Machine `json:"machine"`
	Sizes    sizes           `json:"sizes"`
	Rows     []row           `json:"rows"`
	Burst    both            `json:"burst"` // every create+start of all bursts, in ms: tango, stock
	Versions [][]string      `json:"versions"`
}

// sizes are the settings that numbers depend on.
type sizes struct {
	Rounds, Warmup, Layers, Burst, Concurrency, Bursts, Pods int
}

func (b *bench) newReport() (*report, error) {
	m, err := machine.Describe()
	if err != nil {
		return nil, err
	}
	return &report{
		Began: time.Now().UTC().Truncate(time.Second), Machine: m, Versions: b.versions(),
		Sizes: sizes{b.settings.rounds, b.warmup, b.layers, b.burst, b.concurrency, b.bursts, b.pods},
	}, nil
}

// add completes a row with what was measured.
func (r *report) add(line row, measured both) {
	line.Tango, line.Stock = stats.Summarize(measured[tango]), stats.Summarize(measured[stock])
	line.Verdict = "noise"
	if line.Stock.Median > 0 {
		ratio := stats.RatioOfMedians(measured[tango], measured[stock])
		line.Ratio, line.Verdict = &ratio, stats.Verdict(ratio, len(measured[tango]))
	}
	r.Rows = append(r.Rows, line)
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

// save writes the report as JSON.
func (r *report) save(path string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("cannot write the report: %w", err)
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// load reads what save has written.
func load(path string) (*report, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(report)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("cannot read the report %s: %w", path, err)
	}
	return r, nil
}
