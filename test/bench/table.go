package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"tango/test/stats"
)

// print writes the report as a table for people.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "\n%s\n", r.Machine)
	for _, v := range r.Versions {
		fmt.Fprintf(out, "%s\n", strings.Join(v, ": "))
	}
	fmt.Fprintf(out, "%d %s, %d for warm-up before them; median (p10-p90); ratio of medians with its %.0f %% interval\n\n",
		r.Sizes.Rounds, plural(r.Sizes.Rounds, "round"), r.Sizes.Warmup, stats.Confidence*100)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\ttango\tstock\ttango/stock\t\t")
	for _, line := range r.Rows {
		fmt.Fprintf(w, "%s, %s\t%s\t%s\t%s\t%s\t\n", line.Title, line.Unit, line.Tango, line.Stock, line.Ratio, line.Verdict)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s\n", r.caveat())
	return err
}

// caveat says how far the numbers can be trusted.
func (r *report) caveat() string {
	noise, few := 0, 0
	for _, line := range r.Rows {
		switch line.Verdict {
		case "noise":
			noise++
		case "too few":
			few++
		}
	}
	text := fmt.Sprintf("Measured in %.0f s.", r.Seconds)
	if noise > 0 {
		text += fmt.Sprintf(" %d %s where the noise is larger than the difference, or there is none: nothing to conclude.", noise, plural(noise, "row"))
	}
	if few > 0 {
		text += fmt.Sprintf(" %d %s with fewer than %d rounds: nothing to conclude.", few, plural(few, "row"), stats.Fewest)
	}
	if r.Machine.Busy() {
		text += " The machine was busy with other things when this began: measure again."
	}
	return text
}
