package main

import (
	"context"
	"errors"
	"fmt"

	"tango/test/harness"
	"tango/test/sides"
	"tango/test/stats"
)

// point is one of a curve of create+start.
type point struct {
	name string // what is at this point, as a row's title says it
	x    int
	spec func(sides.Side) harness.Spec
	// enter makes the machine as it is at this point, and leave undoes that; nil where
	// the spec is all there is to it.
	enter func() (leave func() error, err error)
}

// growth is how many times as long a start takes at the last point of a curve as at the
// first.
type growth struct {
	Group string         `json:"group"`
	From  string         `json:"from"`
	To    string         `json:"to"`
	Tango stats.Interval `json:"tango"`
	Stock stats.Interval `json:"stock"`
}

func (g growth) String() string {
	return fmt.Sprintf("create+start with %s by that with %s: tango %s, stock %s", g.To, g.From, &g.Tango, &g.Stock)
}

// measureSeries measures all points of a curve in every round: one after the other they
// would show how the machine's speed changes, too.
func (b *bench) measureSeries(ctx context.Context, among []sides.Side, group string, points []point) error {
	title, total := "create+start over "+group, b.warmup+b.rounds
	samples := make([]sides.Samples, len(points))
	for i := range total {
		for at := range points {
			at = (at + i) % len(points) // each is first in turn
			round, err := b.at(ctx, among, i, points[at])
			if err != nil {
				return fmt.Errorf("%s: %w", points[at].name, err)
			}
			if i >= b.warmup {
				samples[at].Add(round)
			}
		}
		b.progress.step(title, i+1, total, samples[len(points)-1], "ms")
	}
	b.report.addSeries(group, points, samples)
	return nil
}

// at measures one round at one point.
func (b *bench) at(ctx context.Context, among []sides.Side, round int, p point) (_ sides.Samples, retErr error) {
	if p.enter != nil {
		leave, err := p.enter()
		if err != nil {
			return sides.Samples{}, err
		}
		defer func() { retErr = errors.Join(retErr, leave()) }()
	}
	columns, err := b.round(ctx, among, round, b.rest, func(ctx context.Context, s sides.Side) ([]float64, error) {
		l, err := b.live(ctx, p.spec(s))
		return []float64{l.create + l.start}, err
	})
	if err != nil {
		return sides.Samples{}, err
	}
	return columns[0], nil
}

// addSeries adds a row for each point, and how the last compares with the first.
func (r *report) addSeries(group string, points []point, samples []sides.Samples) {
	for i, p := range points {
		r.add(row{ID: fmt.Sprintf("%s.%d", group, p.x), Title: "create+start, " + p.name, Unit: "ms", Group: group, X: p.x}, samples[i])
	}
	first, last := samples[0], samples[len(samples)-1]
	r.Growth = append(r.Growth, growth{
		Group: group, From: points[0].name, To: points[len(points)-1].name,
		Tango: stats.RatioOfMedians(last[sides.Tango], first[sides.Tango]),
		Stock: stats.RatioOfMedians(last[sides.Stock], first[sides.Stock]),
	})
}
