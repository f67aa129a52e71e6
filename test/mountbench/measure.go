package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"tango/test/program"
)

// spareSlots is how many roots may wait to be taken away beside those that the
// threads make: more than a lane lets wait (see worker.LaneConfig).
const spareSlots = 256

// measure makes the bed and measures everything.
func measure(ctx context.Context, s settings) (_ *report, retErr error) {
	r, err := newReport(s)
	if err != nil {
		return nil, err
	}
	p := newProgress(s.rounds * len(s.ways) * len(s.threads))
	p.Say("making %d layers in %s", s.layers, s.dir)
	b, err := newBed(s.dir, s.layers, slices.Max(s.threads)+spareSlots)
	if err != nil {
		return nil, err
	}
	defer func() {
		p.Say("taking everything away")
		retErr = program.Ended(ctx, retErr, b.close())
	}()
	for round := range s.rounds {
		if err := measureRound(ctx, b, s, r, p, round); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// measureRound measures all ways with all numbers of threads. Every other round
// goes backwards, so that none of the ways always comes last.
func measureRound(ctx context.Context, b *bed, s settings, r *report, p *progress, round int) error {
	names := slices.Clone(s.ways)
	if round%2 == 1 {
		slices.Reverse(names)
	}
	for _, threads := range s.threads {
		for _, name := range names {
			title := fmt.Sprintf("%s, %d %s", titleOf(name), threads, program.Plural(threads, "thread"))
			p.begin(title)
			runtime.GC() // not meanwhile
			one, err := measurePoint(ctx, b, name, threads, s, p.made)
			if errors.Is(err, errCannotHere) {
				p.end(err.Error())
				r.leaveOut(name, err)
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", title, err)
			}
			r.Points = append(r.Points, one)
			p.end(one.String())
		}
	}
	return nil
}

func titleOf(name string) string { return ways[number(name)].title }
