package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tango/test/bystander"
	"tango/test/sides"
)

// besideEvery is how often bystanders open a file: often enough for a 99th percentile
// of seconds, and seldom enough to have no part in the load.
const besideEvery = time.Millisecond

// besideBursts measures what a burst does to programs that have no part in it.
func (b *bench) besideBursts(ctx context.Context) error {
	title := fmt.Sprintf("open beside a burst of %d: p99", b.burst)
	columns, err := b.compare(ctx, sides.Two, title, "ms", b.few(b.bursts), b.besideBurst)
	if err != nil {
		return err
	}
	b.report.add(row{ID: "beside", Title: title, Unit: "ms"}, columns[0])
	b.report.add(row{ID: "beside.late", Title: "  later than 5 ms", Unit: "files", Detail: true}, columns[1])
	b.report.add(row{ID: "beside.session", Title: "  in containerd's session: p99", Unit: "ms"}, columns[2])
	b.report.add(row{ID: "beside.session.late", Title: "  later than 5 ms", Unit: "files", Detail: true}, columns[3])
	return nil
}

// besideBurst is one burst, beside which a file is opened by a process in a session of
// its own, and by one in containerd's. Times are from when an open was due.
func (b *bench) besideBurst(ctx context.Context, s sides.Side) (_ []float64, retErr error) {
	var opened []float64
	var watchers []*bystander.Process
	defer func() {
		for _, w := range watchers {
			w.GiveUp()
		}
	}()
	for _, session := range []bystander.Session{bystander.Own, bystander.Same} {
		w, err := bystander.Start(b.node.Dir(), besideEvery, session)
		if err != nil {
			return nil, err
		}
		watchers = append(watchers, w)
	}
	took, _, err := b.oneBurst(ctx, s, b.burst, b.concurrency)
	if err != nil {
		return nil, err
	}
	for _, w := range watchers {
		seen, err := w.Stop()
		if err != nil {
			return nil, err
		}
		o := bystander.During(seen, took.began, took.ended)
		if o == nil {
			return nil, errors.New("cannot tell how long opening a file took: none was due meanwhile")
		}
		opened = append(opened, o.Due.P99, float64(o.Late))
	}
	return opened, nil
}
