package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// row is one test's verdicts with the reference and with the tested runtime.
type row struct {
	test            string
	label           string // the name below its parent's
	reference, ours string
	difference      string
	bad             bool // passes with the reference and not with ours
}

// compare makes the rows of all tests that ran with either runtime, subtests
// below their parents, top-level tests in the given order.
func compare(tests []string, reference, ours results) []row {
	names := slices.Collect(maps.Keys(reference))
	for n := range ours {
		if reference[n] == nil {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	var rows []row
	for _, top := range tests {
		for _, n := range names {
			if n == top || strings.HasPrefix(n, top+"/") {
				r := newRow(n, reference[n].verdict(), ours[n].verdict())
				r.label = label(n, names)
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// label indents a subtest's own name below its parent, which is the longest of
// names that it begins with: a subtest's name may have slashes of its own.
func label(test string, names []string) string {
	for i, c := range []byte(test) {
		if c == '/' && slices.Contains(names, test[:i]) {
			return "  " + label(test[i+1:], below(test[:i], names))
		}
	}
	return test
}

// below returns the names of the tests below a parent, without the parent's.
func below(parent string, names []string) []string {
	var out []string
	for _, n := range names {
		if sub, ok := strings.CutPrefix(n, parent+"/"); ok {
			out = append(out, sub)
		}
	}
	return out
}

func newRow(test, reference, ours string) row {
	r := row{test: test, reference: reference, ours: ours}
	good := func(v string) bool { return v == "pass" || v == "flaky" }
	switch {
	case reference == ours && isInjected(test):
		r.difference = "fault build"
	case reference == ours:
	case good(reference) && good(ours):
		r.difference = "flaky"
	case good(reference):
		r.difference, r.bad = "WORSE", true
	case good(ours):
		r.difference = "better"
	default:
		r.difference = "other"
	}
	return r
}

// printTable prints the rows under the runtimes' names.
func printTable(w io.Writer, rows []row, reference, ours string) {
	width := 0
	for _, r := range rows {
		width = max(width, utf8.RuneCountInString(r.label))
	}
	line := func(a, b, c, d string) {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-*s  %-8s  %-8s  %s", width, a, b, c, d), " "))
	}
	line("test", reference, ours, "difference")
	for _, r := range rows {
		line(r.label, r.reference, r.ours, r.difference)
	}
}

// printReasons tells why tests don't pass, one line each, leaving out parents
// whose subtests tell it.
func printReasons(w io.Writer, runtime string, rows []row, rs results) {
	var lines []string
	for i, r := range rows {
		v := rs[r.test].verdict()
		parent := i+1 < len(rows) && strings.HasPrefix(rows[i+1].test, r.test+"/")
		if (v == "FAIL" || v == "skip" || v == "flaky") && !parent {
			lines = append(lines, fmt.Sprintf("  %-5s %s: %.300s", v, r.test, rs[r.test].why))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(w, "\nnot passed with %s:\n%s\n", runtime, strings.Join(lines, "\n"))
	}
}

// summary counts the verdicts of the top-level tests and of all.
func summary(rows []row, verdict func(row) string) string {
	count := func(top bool) string {
		n := map[string]int{}
		total := 0
		for _, r := range rows {
			if v := verdict(r); v != "-" && (!top || !strings.Contains(r.test, "/")) {
				n[v]++
				total++
			}
		}
		return fmt.Sprintf("%d run, %d passed, %d flaky, %d failed, %d skipped",
			total, n["pass"], n["flaky"], n["FAIL"], n["skip"])
	}
	return count(true) + " (with subtests: " + count(false) + ")"
}
