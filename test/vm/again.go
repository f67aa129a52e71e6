package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"tango/test/vm/job"
)

// An emulated CPU is slow and uneven, and tests that fail on it are run in a second boot,
// as is everything where QEMU 10 failed one of its own assertions, as it does now and then.
// Both boots are rows of the table, and the run says so at its end: a test that fails
// once of two is something to look at, in a guest or in us. A guest that panics, hangs,
// runs out of time, or whose kernel complains has failed, and no second boot is heard.

// again is the guest that runs what failed once more, and all of it where the
// emulator gave up.
func (g *guest) again(r result) *guest {
	second := *g
	second.Name += "-again"
	second.dir = filepath.Join(filepath.Dir(g.dir), second.Name)
	if !r.Aborted {
		suspects := r.suspects()
		second.tests = slices.DeleteFunc(slices.Clone(g.tests), func(t job.Test) bool { return !slices.Contains(suspects, t.Package) })
	}
	return &second
}

// final says that nothing is to be learnt from a second boot.
func (r result) final() bool {
	return !r.failed() || len(r.Checks)+len(r.Kernel) > 0 || r.Problem != "" && !r.Aborted
}

// suspects are the packages whose tests failed.
func (r result) suspects() []string {
	var packages []string
	for _, t := range r.Groups {
		for _, f := range t.Failures {
			name, _, _ := strings.Cut(f.Test, " ")
			packages = append(packages, strings.TrimSuffix(name, ":"))
		}
	}
	return packages
}

// runTwice runs a guest, and once more where that can tell more.
func (g *guest) runTwice(ctx context.Context, logs string) []result {
	first := g.run(ctx, logs)
	if first.final() || kvm() || ctx.Err() != nil {
		return []result{first}
	}
	second := g.again(first).run(ctx, logs)
	first.Excused = !second.failed()
	return []result{first, second}
}

// printExcused says which guests passed only in their second boot.
func printExcused(w io.Writer, results []result) {
	for _, r := range results {
		if r.Excused {
			fmt.Fprintf(w, "%s failed once and passed when it was booted again: see above what it was\n", r.Machine)
		}
	}
}
