package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report is the JSON form of a run.
type report struct {
	Started time.Time
	Seconds float64
	Guests  []result
}

// conclude prints tables and then failures, which have to be in the last lines that a
// log keeps, writes the JSON, and returns an error where anything failed.
func conclude(w io.Writer, o options, p *payload, chosen []group, results []result, took time.Duration) error {
	printTable(w, chosen, results)
	printWays(w, results)
	printClaims(w, results)
	printSkips(w, results)
	bad := 0
	for _, r := range results {
		if r.failed() {
			r.explain(w)
		}
		if r.failed() && !r.Excused {
			bad++
		}
	}
	printExcused(w, results)
	fmt.Fprintf(w, "%d boots, %d failed for good, %.0f s; consoles are in %s\n", len(results), bad, took.Seconds(), o.logs)
	if o.json != "" {
		text, err := json.MarshalIndent(report{time.Now().Add(-took), took.Seconds(), results}, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	switch {
	case bad > 0:
		return fmt.Errorf("%d of %d boots failed", bad, len(results))
	case len(p.tests) == 0:
		return errors.New("there were no tests to run")
	}
	return nil
}

// explain prints all that is wrong with a guest.
func (r result) explain(w io.Writer) {
	fmt.Fprintf(w, "\n=== %s failed: %s\n", r.Machine, r.Problem)
	for _, c := range r.Checks {
		fmt.Fprintf(w, "machine: %s\n", c)
	}
	for _, l := range r.Kernel {
		fmt.Fprintf(w, "kernel's log: %s\n", l)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Groups)) {
		for _, f := range r.Groups[name].Failures {
			fmt.Fprintf(w, "--- %s\n%s\n", f.Test, indent(tail(f.Output, 40)))
		}
	}
	if r.Console != "" {
		fmt.Fprintf(w, "--- console\n%s\n", indent(r.Console))
	}
}

func indent(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }

// printTable prints machines by groups.
func printTable(w io.Writer, chosen []group, results []result) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nmachine\tkernel\tup")
	for _, g := range chosen {
		fmt.Fprintf(t, "\t%s", g.Name)
	}
	fmt.Fprintln(t, "\tmachine\ttime")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\t%.1f s", r.Machine, r.Release, r.Boot)
		for _, g := range chosen {
			fmt.Fprintf(t, "\t%s", r.Groups[g.Name])
		}
		fmt.Fprintf(t, "\t%s\t%.0f s\n", r.verdict(), r.Seconds)
	}
	fmt.Fprintln(t, "(passed / failed / skipped tests and subtests)")
	_ = t.Flush()
}

// verdict is about the guest itself, whatever its tests say.
func (r result) verdict() string {
	switch {
	case r.Problem != "":
		return "DIED"
	case len(r.Checks) > 0:
		return "WRONG"
	case len(r.Kernel) > 0:
		return "KERNEL"
	}
	return "ok"
}

// String is a cell of the table.
func (t *tally) String() string {
	if t == nil {
		return "-"
	}
	mark := ""
	if t.Fail > 0 {
		mark = " FAIL"
	}
	return fmt.Sprintf("%d/%d/%d %.0fs%s", t.Pass, t.Fail, t.Skip, t.Seconds, mark)
}

// printWays prints machines by ways, where tests name ways.
func printWays(w io.Writer, results []result) {
	names := map[string]bool{}
	for _, r := range results {
		for _, t := range r.Groups {
			for name := range t.Ways {
				names[name] = true
			}
		}
	}
	if len(names) == 0 {
		return
	}
	ways := slices.Sorted(maps.Keys(names))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nmachine\t%s\n", strings.Join(ways, "\t"))
	for _, r := range results {
		fmt.Fprint(t, r.Machine)
		for _, name := range ways {
			fmt.Fprintf(t, "\t%s", r.way(name))
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush()
}

// way adds up what all groups say of a way.
func (r result) way(name string) string {
	var sum tally
	for _, t := range r.Groups {
		if s := t.Ways[name]; s != nil {
			sum.Pass, sum.Fail, sum.Skip = sum.Pass+s.Pass, sum.Fail+s.Fail, sum.Skip+s.Skip
		}
	}
	if sum.Pass+sum.Fail+sum.Skip == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d/%d", sum.Pass, sum.Fail, sum.Skip)
}
