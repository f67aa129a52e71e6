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

// Emulated CPUs err now and then: QEMU's own assertions, guests' kernels that died of
// code that was patched under them. So what failed in an emulated guest is run in a
// second boot of it. Both are rows of the table, and the run says so at its end: a test
// that fails once of two is something to look at, in a guest or in us.

// again is the guest that runs what failed once more, and all of it where the guest
// itself did.
func (g *guest) again(r result) *guest {
	second := *g
	second.Name += "-again"
	second.dir = filepath.Join(filepath.Dir(g.dir), second.Name)
	if suspects := r.suspects(); len(suspects) > 0 {
		second.tests = slices.DeleteFunc(slices.Clone(g.tests), func(t job.Test) bool { return !slices.Contains(suspects, t.Package) })
	}
	return &second
}

// suspects are the packages whose tests failed; none where the guest itself is to blame.
func (r result) suspects() []string {
	if r.Problem != "" || len(r.Checks) > 0 || len(r.Kernel) > 0 {
		return nil
	}
	var packages []string
	for _, t := range r.Groups {
		for _, f := range t.Failures {
			name, _, _ := strings.Cut(f.Test, " ")
			packages = append(packages, strings.TrimSuffix(name, ":"))
		}
	}
	return packages
}

// runTwice runs a guest, and once more where it is emulated and fails.
func (g *guest) runTwice(ctx context.Context, logs string) []result {
	first := g.run(ctx, logs)
	if !first.failed() || kvm() || ctx.Err() != nil {
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
