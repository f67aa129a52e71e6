package harness

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types"
	"github.com/containerd/errdefs/pkg/errgrpc"
)

// Ready is a container whose task only has to be asked for: what containerd's client
// finds out before it does so (the record three times, the spec, the mounts) is known.
// It is for measurements, in which four further requests of a client on the same
// processors would count as the runtime's work. A process without output runs in it.
type Ready struct {
	c       *Container
	request *tasks.CreateTaskRequest
	created bool
}

// Ready asks for all that a task's creation needs.
func (c *Container) Ready(ctx context.Context) (*Ready, error) {
	if len(c.spec.Task) > 0 {
		return nil, errors.New("a task that is made ready takes no options")
	}
	ctx = c.node.Context(ctx)
	record, err := c.Info(ctx)
	if err != nil {
		return nil, err
	}
	spec, err := c.Spec(ctx)
	if err != nil {
		return nil, err
	}
	mounts, err := c.node.Client().SnapshotService(record.Snapshotter).Mounts(ctx, record.SnapshotKey)
	if err != nil {
		return nil, fmt.Errorf("cannot find out about the root filesystem of %s: %w", c.ID(), err)
	}
	request := &tasks.CreateTaskRequest{ContainerID: c.ID()}
	for _, m := range mounts {
		if spec.Linux != nil && spec.Linux.MountLabel != "" {
			m.Options = append(m.Options, fmt.Sprintf("context=%q", spec.Linux.MountLabel))
		}
		request.Rootfs = append(request.Rootfs, &types.Mount{Type: m.Type, Source: m.Source, Target: m.Target, Options: m.Options})
	}
	return &Ready{c: c, request: request}, nil
}

// Create creates the task.
func (r *Ready) Create(ctx context.Context) error {
	if _, err := r.c.node.Client().TaskService().Create(r.c.node.Context(ctx), r.request); err != nil {
		return fmt.Errorf("cannot create task of %s: %w", r.c.ID(), errgrpc.ToNative(err))
	}
	r.created = true
	return nil
}

// Start starts it.
func (r *Ready) Start(ctx context.Context) error {
	if _, err := r.c.node.Client().TaskService().Start(r.c.node.Context(ctx), &tasks.StartRequest{ContainerID: r.c.ID()}); err != nil {
		return fmt.Errorf("cannot start %s: %w", r.c.ID(), errgrpc.ToNative(err))
	}
	return nil
}

// Adopt has the container know its task, if there is one, as after CreateTask. Whoever has
// called Create calls it, whatever came of that: without it, Delete leaves the task.
func (r *Ready) Adopt(ctx context.Context) error {
	if !r.created {
		return nil
	}
	return r.c.node.Reload(ctx, r.c)
}
