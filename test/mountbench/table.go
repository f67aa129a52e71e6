package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"tango/test/program"
	"tango/test/stats"
)

func (p point) String() string {
	return fmt.Sprintf("%s roots/s, ready after %s ms (p99 %s)", stats.Number(p.rate()), stats.Number(p.P50), stats.Number(p.P99))
}

// print writes the report as a table for people: each way's throughput and
// latency, and how they compare with a mount per layer.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "\n%s\nmeasured on %s, CPUs %s; id-mapped roots of %d layers; medians of %d %s\n\n",
		r.Machine, r.Place, r.CPUs, r.Layers, r.Rounds, program.Plural(r.Rounds, "round"))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "threads\thow\troots/s\t(spread)\tratio\tready p50, ms\tp99, ms\tlongest, ms\tgone after, ms\t")
	for _, threads := range r.threads() {
		for _, name := range r.ways() {
			if rates := r.over(name, threads, point.rate); rates != nil {
				r.printPoint(w, name, threads, stats.Summarize(rates))
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, note := range r.LeftOut {
		fmt.Fprintf(out, "\nleft out: %s\n", note)
	}
	if r.Machine.Busy() {
		fmt.Fprintln(out, "\nThe machine was busy with other things when this began: measure again.")
	}
	return nil
}

func (r *report) printPoint(out io.Writer, name string, threads int, rate stats.Summary) {
	number := func(value func(point) float64) string { return stats.Number(r.median(name, threads, value)) }
	ratio := "-"
	if base := r.median(ways[0].name, threads, point.rate); !math.IsNaN(base) && name != ways[0].name {
		ratio = fmt.Sprintf("%.1f", rate.Median/base)
	}
	fmt.Fprintf(out, "%d\t%s\t%s\t(%s-%s)\t%s\t%s\t%s\t%s\t%s\t\n", threads, titleOf(name),
		stats.Number(rate.Median), stats.Number(rate.P10), stats.Number(rate.P90), ratio,
		number(func(p point) float64 { return p.P50 }), number(func(p point) float64 { return p.P99 }),
		number(func(p point) float64 { return p.Max }), number(func(p point) float64 { return p.Gone }))
}
