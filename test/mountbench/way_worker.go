package main

import (
	"context"

	"tango/mounts/kernel"
	"tango/mounts/topology"
	"tango/mounts/worker"
)

// byWorker makes the roots of [detached] on the mount workers' threads, in
// batches, and has everything freed on the workers' lanes, when nobody waits.
type byWorker struct {
	detached
	workers *worker.Workers
}

func newByWorker(b *bed) (way, error) {
	if err := needsDetachedLayers(); err != nil {
		return nil, err
	}
	m, err := topology.Read(topology.Roots{})
	if err != nil {
		return nil, err
	}
	w, err := worker.Open(m, worker.Config{})
	if err != nil {
		return nil, err
	}
	return &byWorker{detached{b}, w}, nil
}

func (w *byWorker) build(ctx context.Context, s *slot) error {
	return w.workers.Do(ctx, worker.AnyNode, worker.Job{Class: worker.Build, Run: func() error {
		parent, err := w.assemble(s)
		w.dispose(parent)
		return err
	}})
}

// dispose has a mount closed later. One that its lane is not to close has no
// error that would matter.
func (w *byWorker) dispose(m *kernel.Mount) {
	if m != nil {
		w.workers.Free(worker.AnyNode, func() { _ = m.Close() })
	}
}

func (w *byWorker) remove(s *slot, done func(error)) {
	w.workers.Free(worker.AnyNode, func() { done(unmount(s.root())) })
}

func (w *byWorker) close() error {
	w.workers.Close()
	return nil
}
