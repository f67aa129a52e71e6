// Command compat runs a small set of everything against released versions of
// containerd, each with the tango shim, and prints what worked where.
//
// Each containerd is built once, from the module proxy, into bin/tools/compat/.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"tango/test/harness"
)

// checkTimeout bounds one check, on a machine that does much else.
const checkTimeout = 5 * time.Minute

func main() {
	only := flag.String("version", "", "test this version alone, of those listed")
	runtime := flag.String("runtime", "tango", "runtime of the containers: tango or runc")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *only, *runtime); err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only, runtime string) error {
	full, err := harness.ParseRuntime(runtime)
	if err != nil {
		return err
	}
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	var rows []row
	for _, v := range chosen {
		r := test(ctx, v, full)
		rows = append(rows, r)
		fmt.Println(r.line())
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	fmt.Print("\n", table(rows))
	if slices.ContainsFunc(rows, row.failed) {
		return errors.New("not everything works with every version")
	}
	return nil
}

func choose(only string) ([]version, error) {
	if only == "" {
		return versions, nil
	}
	for _, v := range versions {
		if v.name == only {
			return []version{v}, nil
		}
	}
	return nil, fmt.Errorf("version %s is not among %v", only, versions)
}

// row is what came of one version.
type row struct {
	version string
	built   error            // nil if there is a containerd to test
	results map[string]error // by check; nil errors are good news
}

func (r row) failed() bool {
	if r.built != nil {
		return true
	}
	for _, err := range r.results {
		if err != nil {
			return true
		}
	}
	return false
}

// line tells one version's failures, or that there are none.
func (r row) line() string {
	if r.built != nil {
		return fmt.Sprintf("%s: cannot be tested: %v", r.version, r.built)
	}
	var failures []string
	for _, c := range checks {
		if err := r.results[c.name]; err != nil {
			failures = append(failures, fmt.Sprintf("\n  %s: %v", c.name, err))
		}
	}
	if failures == nil {
		return r.version + ": all fine"
	}
	return r.version + ":" + strings.Join(failures, "")
}

// table has a line for each version and a column for each check.
func table(rows []row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| containerd |")
	for _, c := range checks {
		fmt.Fprintf(&b, " %s |", c.name)
	}
	fmt.Fprintf(&b, "\n|---|%s\n", strings.Repeat("---|", len(checks)))
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s |", r.version)
		for _, c := range checks {
			fmt.Fprintf(&b, " %s |", mark(r, c.name))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func mark(r row, check string) string {
	err, ran := r.results[check]
	switch {
	case !ran:
		return "not run"
	case err != nil:
		return "FAILS"
	}
	return "yes"
}
