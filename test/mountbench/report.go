package main

import (
	"fmt"
	"slices"

	"tango/test/program"
	"tango/test/stats"
)

// report is all that a run has measured, and where.
type report struct {
	program.Header
	Place   string   `json:"place"` // what of the machine was used
	CPUs    string   `json:"cpus"`  // the processors, as the kernel lists them
	Layers  int      `json:"layers"`
	Rounds  int      `json:"rounds"`
	Points  []point  `json:"points"`
	LeftOut []string `json:"left_out,omitempty"` // ways that this kernel cannot do, and why
}

func newReport(s settings) (*report, error) {
	header, err := program.NewHeader()
	if err != nil {
		return nil, err
	}
	cpus, err := allowed()
	if err != nil {
		return nil, err
	}
	return &report{
		Header: header, Place: s.place.String(), CPUs: cpus.String(),
		Layers: s.layers, Rounds: s.rounds,
	}, nil
}

// leaveOut notes that a way is not in the report.
func (r *report) leaveOut(name string, why error) {
	note := fmt.Sprintf("%s: %v", titleOf(name), why)
	if !slices.Contains(r.LeftOut, note) {
		r.LeftOut = append(r.LeftOut, note)
	}
}

// threads are the numbers of threads that were measured, ascending.
func (r *report) threads() []int {
	var found []int
	for _, p := range r.Points {
		if !slices.Contains(found, p.Threads) {
			found = append(found, p.Threads)
		}
	}
	slices.Sort(found)
	return found
}

// ways are the names of those that were measured, in their usual order.
func (r *report) ways() []string {
	var found []string
	for _, w := range ways {
		if slices.ContainsFunc(r.Points, func(p point) bool { return p.Way == w.name }) {
			found = append(found, w.name)
		}
	}
	return found
}

// over are the values of all rounds of one way with one number of threads.
func (r *report) over(name string, threads int, value func(point) float64) []float64 {
	var found []float64
	for _, p := range r.Points {
		if p.Way == name && p.Threads == threads {
			found = append(found, value(p))
		}
	}
	return found
}

// median is that of the rounds; NaN if there is none.
func (r *report) median(name string, threads int, value func(point) float64) float64 {
	return stats.QuantileOf(r.over(name, threads, value), 0.5)
}

// load reads what an earlier run has saved.
func load(path string) (*report, error) {
	r := new(report)
	if err := program.Load(path, r); err != nil {
		return nil, err
	}
	for _, p := range r.Points {
		if number(p.Way) < 0 {
			return nil, fmt.Errorf("cannot read the report %s: %q is no way to make roots", path, p.Way)
		}
	}
	return r, nil
}
