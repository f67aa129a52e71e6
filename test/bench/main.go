// Command bench measures tango against containerd-shim-runc-v2 with runc, and with
// crun where there is one: all on one containerd, in turn in every round, so that
// what disturbs the machine disturbs all. It prints a table of medians, spreads and
// ratios with their confidence intervals, and concludes nothing where an interval
// holds 1.
//
//	go run ./bench -json results.json -plots pictures
//	go run ./bench -only 'start|exec'
//	go run ./bench -quick
//	go run ./bench -from results.json -plots pictures
//	go run ./bench node -image docker.io/library/nginx:latest
//
// The last is what "tango bench" executes: it measures on the machine's own containerd.
//
// Everything happens beside one running pod of each side: what a host pays for
// its first pod alone isn't measured.
package main

import (
	"context"
	"os"

	"tango/test/bystander"
	"tango/test/private"
	"tango/test/program"
)

func main() {
	bystander.Main()
	if len(os.Args) > 1 && os.Args[1] == nodeMode {
		program.Main("tango bench", func(ctx context.Context) error { return runOnNode(ctx, os.Args[2:]) })
		return
	}
	program.Main("bench", func(ctx context.Context) error {
		s, err := parseSettings(os.Args[1:])
		if err == nil && s.from == "" {
			err = private.Enter()
		}
		if err != nil {
			return err
		}
		return run(ctx, s, measure)
	})
}

// nodeMode is the first argument that has the program measure on the machine's own
// containerd.
const nodeMode = "node"

func runOnNode(ctx context.Context, args []string) error {
	t, s, err := parseNode(args)
	if err != nil {
		return err
	}
	return run(ctx, s, t.measure)
}

// run measures, or reads what was measured, and reports.
func run(ctx context.Context, s settings, measure measuring) error {
	r, err := results(ctx, s, measure)
	if err != nil {
		return err
	}
	if err := r.print(os.Stdout); err != nil {
		return err
	}
	if err := program.Save(s.json, r); err != nil {
		return err
	}
	if s.plots != "" {
		return r.draw(s.plots)
	}
	return nil
}

// measuring makes a report.
type measuring func(context.Context, settings) (*report, error)

func results(ctx context.Context, s settings, measure measuring) (*report, error) {
	if s.from != "" {
		r := new(report)
		return r, program.Load(s.from, r)
	}
	return measure(ctx, s)
}
