package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"tango/test/program"
	"tango/test/stats"
)

// print writes the report as a table for people.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "\n%s\n", r.Machine)
	for _, v := range r.Versions {
		fmt.Fprintf(out, "%s\n", strings.Join(v, ": "))
	}
	fmt.Fprintf(out, "%d %s, %d for warm-up before them; median (p10-p90); ratio of medians with its %.0f %% interval\n\n",
		r.Sizes.Rounds, program.Plural(r.Sizes.Rounds, "round"), r.Sizes.Warmup, stats.Confidence*100)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	crun := r.withCrun()
	fmt.Fprint(w, "what\ttango\tstock\ttango/stock\t\t")
	if crun {
		fmt.Fprint(w, "stock with crun\ttango/crun\t\t")
	}
	fmt.Fprintln(w)
	for _, line := range r.Rows {
		fmt.Fprintf(w, "%s, %s\t%s\t%s\t%s\t%s\t", line.Title, line.Unit, line.Tango, line.Stock, line.Ratio, line.Verdict)
		if crun {
			fmt.Fprint(w, line.Crun.cells())
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, g := range r.Growth {
		fmt.Fprintln(out, g)
	}
	_, err := fmt.Fprintf(out, "\n%s\n", r.caveat())
	return err
}

// cells are the columns of a rival; of one that took no part they are empty.
func (v *rival) cells() string {
	if v == nil {
		return "\t\t\t"
	}
	return fmt.Sprintf("%s\t%s\t%s\t", v.Summary, v.Ratio, v.Verdict)
}

// caveat says how far the numbers can be trusted.
func (r *report) caveat() string {
	counts := make(map[string]int)
	for _, line := range r.Rows {
		counts[line.Verdict]++
		if line.Crun != nil {
			counts[line.Crun.Verdict]++
		}
	}
	text := fmt.Sprintf("Measured in %.0f s.", r.Seconds)
	if n := counts["noise"]; n > 0 {
		text += fmt.Sprintf(" %d %s where the noise is larger than the difference, or there is none: nothing to conclude.", n, program.Plural(n, "comparison"))
	}
	if n := counts["too few"]; n > 0 {
		text += fmt.Sprintf(" %d %s of fewer than %d rounds: nothing to conclude.", n, program.Plural(n, "comparison"), stats.Fewest)
	}
	if r.Machine.Busy() {
		text += " The machine was busy with other things when this began: measure again."
	}
	return text
}
