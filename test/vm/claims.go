package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"

	abilities "tango/mounts/kernel"
)

// claim finds what TestClaims of mounts/kernel says of a feature: whether the
// guest's kernel has it. The test itself holds that against the version, both
// ways; here it becomes a table.
var claim = regexp.MustCompile(`claim: since=\S+ here=(true|false)`)

// claimTest is how go test spells the subtest of a feature.
func claimTest(f *abilities.Feature) string {
	return "TestClaims/" + strings.ReplaceAll(f.Name, " ", "_")
}

// noteClaim remembers a claim from the output of its subtest.
func (r *result) noteClaim(test, output string) {
	m := claim.FindStringSubmatch(output)
	if !strings.HasPrefix(test, "TestClaims/") || m == nil {
		return
	}
	if r.Claims == nil {
		r.Claims = map[string]bool{}
	}
	r.Claims[test] = m[1] == "true"
}

// printClaims prints features by kernels.
func printClaims(w io.Writer, results []result) {
	asked := 0
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nability of the kernel\tsince")
	for _, r := range results {
		if r.Claims != nil {
			fmt.Fprintf(t, "\t%s", r.Machine)
			asked++
		}
	}
	if asked == 0 {
		return
	}
	fmt.Fprintln(t)
	for _, f := range abilities.All() {
		fmt.Fprintf(t, "%s\t%s", f.Name, f.Since)
		for _, r := range results {
			if r.Claims != nil {
				fmt.Fprintf(t, "\t%s", r.claim(f))
			}
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush()
}

// claim is a cell of the table.
func (r result) claim(f *abilities.Feature) string {
	has, asked := r.Claims[claimTest(f)]
	switch {
	case !asked:
		return "?"
	case has:
		return "yes"
	}
	return "no"
}
