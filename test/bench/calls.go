package main

import (
	"context"
	"errors"

	"tango/test/harness/trace"
	"tango/test/sides"
	"tango/test/stats"
)

// callRounds is enough: the counts hardly vary.
const callRounds = stats.Fewest

// mountCalls counts the system calls by which whole lives of containers touch
// mount tables, and those of them that unmount.
func (b *bench) mountCalls(ctx context.Context) error {
	title := "mount calls from create to delete"
	columns, err := b.compare(ctx, b.sides, title, "calls", b.few(callRounds), func(ctx context.Context, s sides.Side) ([]float64, error) {
		counts, err := b.countCalls(ctx, s)
		return []float64{float64(counts.Total()), float64(counts["umount"])}, err
	})
	if err != nil {
		return err
	}
	b.report.add(row{ID: "calls", Title: title, Unit: "calls"}, columns[0])
	b.report.add(row{ID: "calls.umount", Title: "  of them umount", Unit: "calls", Detail: true}, columns[1])
	return nil
}

// countCalls counts the calls of containerd, the resident shims, the mount
// service and all that they start, until the container's shim has ended, too.
func (b *bench) countCalls(ctx context.Context, s sides.Side) (_ trace.Counts, retErr error) {
	if err := b.quiet(ctx); err != nil {
		return nil, err
	}
	family, err := b.node.Family()
	if err != nil {
		return nil, err
	}
	recording, err := trace.Start("tango-bench", family...)
	if err != nil {
		return nil, err
	}
	_, err = b.live(ctx, b.spec(s))
	err = errors.Join(err, b.quiet(ctx))
	counts, stopErr := recording.Stop()
	return counts, errors.Join(err, stopErr)
}
