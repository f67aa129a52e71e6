// Command bench measures tango against containerd-shim-runc-v2 with runc: both
// on one private containerd, in turn in every round, so that what disturbs the
// machine disturbs both. It prints a table of medians, spreads and ratios with
// their confidence intervals, and concludes nothing where an interval holds 1.
//
//	go run ./bench -json results.json -plots pictures
//	go run ./bench -quick
//	go run ./bench -from results.json -plots pictures
//
// Everything happens beside one running pod of each side: what a host pays for
// its first pod alone isn't measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"tango/test/private"
)

func main() {
	s, err := parseSettings(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fail(err)
	}
	if s.from == "" {
		if err := private.Enter(); err != nil {
			fail(err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err = run(ctx, s)
	stop()
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	if errors.Is(err, errInterrupted) {
		os.Exit(130) // as shells tell it
	}
	os.Exit(1)
}

// run measures, or reads what was measured, and reports.
func run(ctx context.Context, s settings) error {
	r, err := results(ctx, s)
	if err != nil {
		return err
	}
	if err := r.print(os.Stdout); err != nil {
		return err
	}
	if s.json != "" {
		if err := r.save(s.json); err != nil {
			return err
		}
	}
	if s.plots != "" {
		return r.draw(s.plots)
	}
	return nil
}

func results(ctx context.Context, s settings) (*report, error) {
	if s.from != "" {
		return load(s.from)
	}
	return measure(ctx, s)
}
