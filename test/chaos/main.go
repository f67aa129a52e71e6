// Command chaos lets things go wrong in a shim on purpose, one at a time at every
// place that is marked for it (package mounts/fault), and then many at once in
// running bursts, with processes killed on top; after each it proves that nothing
// is left, nothing is believed in that isn't there, and nothing was reported
// wrongly. What is random follows from the seed that it prints.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"time"

	"tango/test/program"
)

// settings are what the command line can change.
type settings struct {
	seed    uint64
	faults  int    // how many at least in all
	workers int    // nodes that are used side by side
	storms  bool   // no walk
	only    string // points that contain this; "" all of them
	short   bool
}

// usualFaults are for a run that nobody waits for, shortFaults are enough for each
// point to go wrong in one way.
const (
	usualFaults = 1000
	shortFaults = 150
)

func main() {
	var s settings
	flag.Uint64Var(&s.seed, "seed", uint64(time.Now().UnixNano()), "where random choices come from")
	flag.IntVar(&s.faults, "faults", 0, "how many faults at least; default: 1000, or 150 in a short run; the long run takes 10000")
	flag.IntVar(&s.workers, "workers", 2*runtime.NumCPU(), "how many nodes to use side by side")
	flag.StringVar(&s.only, "only", "", "walk only points whose names contain this, and end")
	flag.BoolVar(&s.storms, "storms", false, "no walk, storms only")
	flag.BoolVar(&s.short, "short", false, "each point in one random way only, and fewer storms")
	flag.Parse()
	switch {
	case s.faults > 0:
	case s.short:
		s.faults = shortFaults
	default:
		s.faults = usualFaults
	}
	program.Main("chaos", func(ctx context.Context) error { return run(ctx, s) })
}

// run is the whole run, from nothing to nothing.
func run(ctx context.Context, s settings) (retErr error) {
	fmt.Printf("SEED %d (again: make chaos RUNFLAGS='-seed %d -faults %d')\n", s.seed, s.seed, s.faults)
	points, err := findPoints()
	if err != nil {
		return err
	}
	began := time.Now()
	lab, err := newLab(ctx, s)
	if err != nil {
		return err
	}
	defer func() { retErr = errors.Join(retErr, lab.close()) }()
	result := &tally{}
	if !s.storms {
		err = walk(ctx, s, lab, points, result)
	}
	if err == nil && s.only == "" && result.faults() < s.faults {
		err = storm(ctx, s, lab, points, result)
	}
	result.print(time.Since(began))
	return errors.Join(err, result.verdict())
}
