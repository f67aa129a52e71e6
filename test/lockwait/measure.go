package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"tango/test/harness"
	"tango/test/images"
	"tango/test/lockwait/contention"
	"tango/test/program"
	"tango/test/sides"
)

// say tells the user what goes on.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// measure runs all bursts and reports.
func measure(ctx context.Context, s settings) (_ *report, retErr error) {
	symbols, err := contention.LoadSymbols()
	if err != nil {
		return nil, err
	}
	say("starting a private containerd")
	node, err := harness.Start(ctx, harness.Options{LikeNode: true, LogLevel: "warn"})
	if err != nil {
		return nil, err
	}
	defer func() {
		retErr = program.Ended(ctx, retErr, node.Close())
	}()
	b := &bed{settings: s, node: node}
	say("making and importing an image of %d layers", s.layers)
	if b.image, err = node.Image(ctx, images.Config{Layers: s.layers}); err != nil {
		return nil, err
	}
	r, err := newReport(s)
	if err != nil {
		return nil, err
	}
	for i := range s.rounds {
		for _, side := range sides.Order(sides.Two, i) {
			var m *burst
			err := b.node.InTurn(side.Runtime(), func() (err error) {
				m, err = b.record(ctx, side, symbols)
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", side, err)
			}
			say("round %d of %d, %s: %s", i+1, s.rounds, side, m)
			r.add(side, m)
		}
	}
	return r, nil
}

// record runs one burst and everything that looks at it.
func (b *bed) record(ctx context.Context, s sides.Side, symbols *contention.Symbols) (_ *burst, retErr error) {
	containers, err := b.prepare(ctx, s.Runtime())
	if err != nil {
		return nil, err
	}
	defer func() { retErr = errors.Join(retErr, b.forget(context.WithoutCancel(ctx), containers)) }()
	other, err := startBeside(b.beside)
	if err != nil {
		return nil, err
	}
	defer other.giveUp()
	watchers, err := b.startBystanders()
	if err != nil {
		return nil, err
	}
	defer watchers.giveUp()
	recorder, err := contention.Start()
	if err != nil {
		return nil, err
	}
	t, err := b.burst(ctx, containers)
	seen, stopErr := recorder.Stop()
	if err := errors.Join(err, stopErr); err != nil {
		return nil, err
	}
	if seen.Lost > 0 {
		return nil, fmt.Errorf("cannot use the recording: %d events did not fit into the buffers", seen.Lost)
	}
	m := analyse(seen.Waits, t, symbols, b.all)
	if err := watchers.stop(m, t); err != nil {
		return nil, err
	}
	m.Beside, err = other.stop()
	return m, err
}
