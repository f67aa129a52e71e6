package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	containerd "github.com/containerd/containerd/v2/client"

	"tango/test/harness"
	"tango/test/images"
	"tango/test/program"
	"tango/test/sides"
)

// bench is a run of the benchmark.
type bench struct {
	settings
	theirs   *theirs // on somebody else's containerd, else nil
	node     *harness.Node
	image    containerd.Image
	sides    []sides.Side                    // those that take part
	crunPath string                          // where crun takes part
	resident [sides.Count]*harness.Container // a running pod of each side, beside which all is measured
	progress *progress
	report   *report
	mappings int // user namespace mappings given out
}

// measure runs the selected parts on a private containerd.
func measure(ctx context.Context, s settings) (_ *report, retErr error) {
	wanted, err := s.selected(privateParts)
	if err != nil {
		return nil, err
	}
	b := &bench{settings: s, progress: newProgress(len(wanted))}
	if err := b.chooseSides(); err != nil {
		return nil, err
	}
	b.progress.Say("starting a private containerd in a private mount namespace")
	if b.node, err = harness.Start(ctx, harness.Options{LikeNode: true, LogLevel: "warn"}); err != nil {
		return nil, err
	}
	defer func() {
		if retErr != nil && ctx.Err() == nil {
			b.progress.Say("log of containerd and the shims:\n%s", b.node.LogTail(30))
		}
		b.progress.Say("taking everything away")
		retErr = program.Ended(ctx, retErr, b.node.Close())
	}()
	b.progress.Say("making and importing an image of %d layers", b.layers)
	if b.image, err = b.node.Image(ctx, images.Config{Layers: b.layers}); err != nil {
		return nil, err
	}
	return b.runParts(ctx, wanted, b.versions())
}

// runParts starts the resident pods, and runs the parts beside them.
func (b *bench) runParts(ctx context.Context, wanted []part, versions [][]string) (_ *report, err error) {
	if b.report, err = b.newReport(); err != nil {
		return nil, err
	}
	b.report.Versions = versions
	for _, s := range b.sides {
		spec := b.spec(s)
		spec.ID = residentID(s)
		spec.Annotations = map[string]string{sandboxAnnotation: spec.ID}
		if b.resident[s], err = b.node.Run(ctx, spec); err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
	}
	began := time.Now()
	for _, p := range wanted {
		b.progress.begin()
		if err := p.run(b, ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	b.report.Seconds = time.Since(began).Seconds()
	return b.report, nil
}

func residentID(s sides.Side) string { return "resident-" + s.String() }

// measured is what one round of one side gives: a value for each column.
type measured func(context.Context, sides.Side) ([]float64, error)

// repeat says how often something is done.
type repeat struct {
	warm int // rounds whose values are thrown away, before the others
	n    int
	rest time.Duration // before each
}

// usual is for what runs one at a time. Each begins on a machine that is left alone:
// otherwise who goes second finds the kernel's cgroup lock ready, which the one before
// has waited for, and has beside it what that one puts off.
func (b *bench) usual() repeat { return repeat{b.warmup, b.rounds, b.rest} }

// few is for what is long enough to warm up everything at once.
func (b *bench) few(n int) repeat { return repeat{min(b.warmup, 1), n, 0} }

// compare runs something for all of some sides, in turn in every round, and returns
// what it measured by column. The progress shows the first column.
func (b *bench) compare(ctx context.Context, among []sides.Side, title, unit string, r repeat, do measured) ([]sides.Samples, error) {
	var columns []sides.Samples
	total := r.warm + r.n
	for i := range total {
		round, err := b.round(ctx, among, i, r.rest, do)
		if err != nil {
			return nil, err
		}
		var sofar sides.Samples
		if i >= r.warm {
			columns = addColumns(columns, round)
			sofar = columns[0]
		}
		b.progress.step(title, i+1, total, sofar, unit)
	}
	return columns, nil
}

// round runs something once for each of some sides, after a rest each, and returns what
// it measured by column.
func (b *bench) round(ctx context.Context, among []sides.Side, i int, rest time.Duration, do measured) ([]sides.Samples, error) {
	var columns []sides.Samples
	for _, s := range sides.Order(among, i) {
		var values []float64
		wait(ctx, rest)
		err := b.node.InTurn(s.Runtime(), func() (err error) {
			values, err = do(ctx, s)
			return err
		})
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		if columns == nil {
			columns = make([]sides.Samples, len(values))
		}
		for c, v := range values {
			columns[c][s] = append(columns[c][s], v)
		}
	}
	return columns, nil
}

// addColumns adds the values of another round.
func addColumns(all, round []sides.Samples) []sides.Samples {
	if all == nil {
		return round
	}
	for c := range all {
		all[c].Add(round[c])
	}
	return all
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
