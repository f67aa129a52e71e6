// Command soak leads containers and execs through their lives thousands of times,
// in one pod's shim and over shims that come and go, and wants everything that a
// process can hold to be flat at the end. It then puts loads on the runtime that
// found its elders wanting.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"tango/test/harness"
	"tango/test/program"
)

// settings are what the command line can change.
type settings struct {
	cycles     int // in one shim
	shims      int // cycles over shims
	atOnce     int // cycles
	containers int // of the crowd
	execs      int // at once in one container
	megabytes  int // to a slow reader
	only       string
	runtime    string
}

func main() {
	var s settings
	flag.IntVar(&s.cycles, "cycles", 10000, "start+exec+delete cycles in one pod's shim")
	flag.IntVar(&s.shims, "shims", 10000, "such cycles over shims, one each")
	flag.IntVar(&s.atOnce, "together", 8, "cycles at the same time")
	flag.StringVar(&s.only, "only", "", "the parts whose names contain this")
	flag.IntVar(&s.containers, "containers", 500, "containers that run at the same time")
	flag.IntVar(&s.execs, "execs", 200, "execs at once in one container")
	flag.IntVar(&s.megabytes, "megabytes", 1024, "output for a slow reader")
	flag.StringVar(&s.runtime, "runtime", "tango", "tango or runc")
	flag.Parse()
	program.Main("soak", func(ctx context.Context) error { return run(ctx, s) })
}

// run goes through everything on one node and proves that nothing is left.
func run(ctx context.Context, s settings) (retErr error) {
	runtime, err := harness.ParseRuntime(s.runtime)
	if err != nil {
		return err
	}
	n, err := harness.Start(ctx, harness.Options{Runtime: runtime})
	if err != nil {
		return err
	}
	defer func() { retErr = errors.Join(retErr, n.Close()) }()
	for _, part := range []struct {
		name string
		run  func(context.Context, *harness.Node, settings) error
	}{
		{"cycles in one shim", soakPod}, {"cycles over shims", soakShims}, {"execs at once", execsAtOnce},
		{"a slow reader", slowReader}, {"a fork bomb", forkBomb}, {"a crowd", crowd},
	} {
		if !strings.Contains(part.name, s.only) {
			continue
		}
		began := time.Now()
		if err := part.run(ctx, n, s); err != nil {
			return fmt.Errorf("%s: %w\n%s", part.name, err, n.LogTail(30))
		}
		left, err := n.Settle(ctx)
		if err != nil || len(left) > 0 {
			return fmt.Errorf("%s: left behind: %q, %w", part.name, left, err)
		}
		fmt.Printf("%-20s well in %v\n", part.name, time.Since(began).Round(time.Second))
	}
	return nil
}
