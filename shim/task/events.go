package task

import (
	"context"
	"sync"

	eventtypes "github.com/containerd/containerd/api/events"
	"github.com/containerd/containerd/v2/core/events"
	"github.com/containerd/containerd/v2/core/runtime"
	"github.com/containerd/log"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tango/mounts/fault"
	"tango/shim/container"
)

// forwarder publishes events one after the other, in the order of send. The
// queue is not bounded: sending never blocks, so that a containerd that is down
// can't stop a container's exit from being handled.
type forwarder struct {
	publisher events.Publisher
	done      chan struct{}

	mu     sync.Mutex
	queue  []any
	closed bool
	some   *sync.Cond // queue isn't empty, or closed
}

func newForwarder(ctx context.Context, p events.Publisher) *forwarder {
	f := &forwarder{publisher: p, done: make(chan struct{})}
	f.some = sync.NewCond(&f.mu)
	go f.run(context.WithoutCancel(ctx))
	return f
}

func (f *forwarder) send(event any) {
	f.mu.Lock()
	f.queue = append(f.queue, event)
	f.mu.Unlock()
	f.some.Signal()
}

// close waits until what was sent before is published.
func (f *forwarder) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.some.Signal()
	<-f.done
}

func (f *forwarder) run(ctx context.Context) {
	defer close(f.done)
	for {
		batch := f.take()
		if batch == nil {
			return
		}
		for _, e := range batch {
			fault.Here("events.publish")
			if err := f.publisher.Publish(ctx, runtime.GetTopic(e), e); err != nil {
				log.G(ctx).WithError(err).Error("post event")
			}
		}
	}
}

// take returns all that is queued, or nil after the end.
func (f *forwarder) take() []any {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.queue) == 0 && !f.closed {
		f.some.Wait()
	}
	batch := f.queue
	f.queue = nil
	return batch
}

// reporter is the service in its part as listener to its containers.
type reporter Service

// Exited publishes the end of a process.
func (r *reporter) Exited(e container.ExitEvent) {
	id := e.ExecID
	if id == "" {
		id = e.ContainerID
	}
	r.events.send(&eventtypes.TaskExit{
		ContainerID: e.ContainerID,
		ID:          id,
		Pid:         uint32(e.Pid),
		ExitStatus:  uint32(e.Exit.Status),
		ExitedAt:    timestamppb.New(e.Exit.At),
	})
}

// OutOfMemory publishes that the kernel killed in a container.
func (r *reporter) OutOfMemory(id string) {
	r.events.send(&eventtypes.TaskOOM{ContainerID: id})
}
