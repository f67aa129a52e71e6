package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"tango/test/sides"
	"tango/test/stats"
)

// line is a row of the comparison.
type line struct {
	title  string
	format string
	get    func(*burst) float64
}

var lines = []line{
	{"waits for mount locks", "%.0f", func(b *burst) float64 { return float64(b.Mount.Waits) }},
	{"  in all, ms", "%.1f", func(b *burst) float64 { return b.Mount.Total }},
	{"  while containers start, ms", "%.1f", func(b *burst) float64 { return b.Phases[0].Total }},
	{"  while they end, ms", "%.1f", func(b *burst) float64 { return b.Phases[1].Total }},
	{"  afterwards, ms", "%.1f", func(b *burst) float64 { return b.Phases[2].Total }},
	{"  the longest, ms", "%.1f", func(b *burst) float64 { return b.Mount.Max }},
	{"waits for any lock, in all, ms", "%.1f", func(b *burst) float64 { return b.All.Total }},
	{"all containers started, ms", "%.0f", func(b *burst) float64 { return b.Starts }},
	{"all killed and deleted, ms", "%.0f", func(b *burst) float64 { return b.Ends }},
	{"processors' time, ms", "%.0f", func(b *burst) float64 { return b.Busy }},
	{"  stolen by the host, ms", "%.0f", func(b *burst) float64 { return b.Stolen }},
}

var openLines = []line{
	{"files opened beside it", "%.0f", func(b *burst) float64 { return float64(b.Opens.Count) }},
	{"  late by 5 ms or more", "%.0f", func(b *burst) float64 { return float64(b.Opens.Late) }},
	{"  from when due, p50, ms", "%.3f", func(b *burst) float64 { return b.Opens.Due.P50 }},
	{"  from when due, p99, ms", "%.3f", func(b *burst) float64 { return b.Opens.Due.P99 }},
	{"  the call alone, p50, ms", "%.4f", func(b *burst) float64 { return b.Opens.Call.P50 }},
	{"  the call alone, p99, ms", "%.4f", func(b *burst) float64 { return b.Opens.Call.P99 }},
	{"  the call alone, p99.9, ms", "%.4f", func(b *burst) float64 { return b.Opens.Call.P999 }},
	{"files opened in containerd's session", "%.0f", func(b *burst) float64 { return float64(b.OpensInSession.Count) }},
	{"  late by 5 ms or more", "%.0f", func(b *burst) float64 { return float64(b.OpensInSession.Late) }},
	{"  from when due, p50, ms", "%.3f", func(b *burst) float64 { return b.OpensInSession.Due.P50 }},
	{"  from when due, p99, ms", "%.3f", func(b *burst) float64 { return b.OpensInSession.Due.P99 }},
}

// print writes the report as tables for people.
func (r *report) print(out io.Writer) error {
	kind := "plain containers"
	if r.Sizes.UserNamespaces {
		kind = "containers in user namespaces"
	}
	fmt.Fprintf(out, "\n%s\n%d %s of %d layers, %d at a time; medians of %d bursts each\n\n",
		r.Machine, r.Sizes.Containers, kind, r.Sizes.Layers, r.Sizes.Concurrency, len(r.Tango))
	if err := r.compare(out); err != nil {
		return err
	}
	for _, s := range sides.Two {
		if err := r.origins(out, s); err != nil {
			return err
		}
	}
	r.others(out)
	return nil
}

// compare writes what was measured of both sides, and the ratios.
func (r *report) compare(out io.Writer) error {
	shown := lines
	if r.Tango[0].Opens != nil && r.Stock[0].Opens != nil {
		shown = append(shown[:len(shown):len(shown)], openLines...)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\ttango\tstock\ttango/stock\t")
	for _, l := range shown {
		values := r.values(l.get)
		a, b := stats.QuantileOf(values[sides.Tango], 0.5), stats.QuantileOf(values[sides.Stock], 0.5)
		fmt.Fprintf(w, "%s\t"+l.format+"\t"+l.format+"\t%s\t\n", l.title, a, b, ratio(values))
	}
	return w.Flush()
}

// ratio is that of the medians, with its interval where there are rounds enough
// for one.
func ratio(values sides.Samples) string {
	estimate := stats.RatioOfMedians(values[sides.Tango], values[sides.Stock])
	switch {
	case stats.QuantileOf(values[sides.Stock], 0.5) == 0:
		return "-"
	case len(values[sides.Tango]) < stats.Fewest:
		return fmt.Sprintf("%.2f", estimate.Value)
	default:
		return estimate.String()
	}
}

// origins writes where the waits of all bursts of a side come from.
func (r *report) origins(out io.Writer, s sides.Side) error {
	var parts []part
	for _, b := range r.bursts(s) {
		parts = append(parts, b.Parts...)
	}
	fmt.Fprintf(out, "\n%s: waits for %s by who waits, per burst\n", s, r.locks)
	if err := r.printParts(out, by(parts, func(p part) origin { return origin{Caller: p.Caller, Comm: p.Comm} }), func(p part) string {
		return p.Caller + "\t" + p.Comm
	}); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s: the same by the way to the lock\n", s)
	return r.printParts(out, by(parts, func(p part) origin { return origin{Path: p.Path, Sort: p.Sort} }), func(p part) string {
		return p.Sort + "\t" + p.Path
	})
}

func (r *report) printParts(out io.Writer, parts []part, describe func(part) string) error {
	rounds := len(r.Tango)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, p := range parts[:min(r.callers, len(parts))] {
		fmt.Fprintf(w, "  %.1f ms\t%d waits\t%s\n", p.Total/float64(rounds), p.Waits/rounds, describe(p))
	}
	return w.Flush()
}

// others writes what a program beside has said.
func (r *report) others(out io.Writer) {
	for _, s := range sides.Two {
		for i, b := range r.bursts(s) {
			if b.Beside != "" {
				fmt.Fprintf(out, "\n%s, round %d, by the other program:\n%s\n", s, i+1, strings.TrimRight(b.Beside, "\n"))
			}
		}
	}
}
