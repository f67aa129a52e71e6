package task

import (
	"context"

	eventtypes "github.com/containerd/containerd/api/events"
	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/typeurl/v2"
	"google.golang.org/protobuf/types/known/emptypb"

	"tango/shim/container"
)

// Pause freezes a container.
func (s *Service) Pause(_ context.Context, r *taskapi.PauseRequest) (*emptypb.Empty, error) {
	return s.do(r.ID, (*container.Container).Pause, &eventtypes.TaskPaused{ContainerID: r.ID})
}

// Resume thaws a container.
func (s *Service) Resume(_ context.Context, r *taskapi.ResumeRequest) (*emptypb.Empty, error) {
	return s.do(r.ID, (*container.Container).Resume, &eventtypes.TaskResumed{ContainerID: r.ID})
}

// Kill sends a signal to a process.
func (s *Service) Kill(_ context.Context, r *taskapi.KillRequest) (*emptypb.Empty, error) {
	return s.do(r.ID, func(c *container.Container) error { return c.Kill(r.ExecID, r.Signal, r.All) }, nil)
}

// Update changes a container's resource limits.
func (s *Service) Update(_ context.Context, r *taskapi.UpdateTaskRequest) (*emptypb.Empty, error) {
	return s.do(r.ID, func(c *container.Container) error { return c.Update(r.GetResources().GetValue()) }, nil)
}

// Checkpoint writes a running container to images.
func (s *Service) Checkpoint(ctx context.Context, r *taskapi.CheckpointTaskRequest) (*emptypb.Empty, error) {
	var opts runcoptions.CheckpointOptions
	if r.Options != nil {
		if err := typeurl.UnmarshalTo(r.Options, &opts); err != nil {
			return nil, errgrpc.ToGRPC(err)
		}
	}
	req := container.CheckpointRequest{
		Path:            r.Path,
		WorkDir:         opts.WorkPath,
		ParentPath:      opts.ParentPath,
		Exit:            opts.Exit,
		OpenTCP:         opts.OpenTcp,
		ExternalSockets: opts.ExternalUnixSockets,
		Terminal:        opts.Terminal,
		FileLocks:       opts.FileLocks,
		EmptyNamespaces: opts.EmptyNamespaces,
	}
	return s.do(r.ID, func(c *container.Container) error { return c.Checkpoint(ctx, req) }, nil)
}

// do runs one change of a container and, after success, announces it.
func (s *Service) do(id string, change func(*container.Container) error, event any) (*emptypb.Empty, error) {
	c, err := s.container(id)
	if err != nil {
		return nil, err
	}
	if err := change(c); err != nil {
		return nil, errgrpc.ToGRPC(err)
	}
	if event != nil {
		s.events.send(event)
	}
	return empty, nil
}

// ResizePty sets the size of a process's terminal.
func (s *Service) ResizePty(_ context.Context, r *taskapi.ResizePtyRequest) (*emptypb.Empty, error) {
	p, err := s.process(r.ID, r.ExecID)
	if err == nil {
		err = errgrpc.ToGRPC(p.Resize(uint16(r.Width), uint16(r.Height)))
	}
	if err != nil {
		return nil, err
	}
	return empty, nil
}

// CloseIO ends a process's standard input.
func (s *Service) CloseIO(_ context.Context, r *taskapi.CloseIORequest) (*emptypb.Empty, error) {
	p, err := s.process(r.ID, r.ExecID)
	if err == nil {
		err = errgrpc.ToGRPC(p.CloseStdin())
	}
	if err != nil {
		return nil, err
	}
	return empty, nil
}
