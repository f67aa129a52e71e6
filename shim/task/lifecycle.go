package task

import (
	"context"

	eventtypes "github.com/containerd/containerd/api/events"
	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/containerd/api/types"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tango/mounts/fault"
	"tango/rootfs"
	"tango/shim/container"
	"tango/shim/options"
	"tango/shim/stdio"
)

// Create makes a container; its first process waits for Start.
func (s *Service) Create(ctx context.Context, r *taskapi.CreateTaskRequest) (*taskapi.CreateTaskResponse, error) {
	attempt, release, err := s.reserve(r.ID)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := fault.Point("create.request"); err != nil {
		return nil, errgrpc.ToGRPC(err)
	}
	req, err := createRequest(ctx, r)
	if err != nil {
		return nil, errgrpc.ToGRPC(err)
	}
	if err := s.checkBinaryName(req.Options.BinaryName); err != nil {
		return nil, errgrpc.ToGRPC(err)
	}
	req.Wanted = func() error { return s.wanted(attempt) }
	c, err := s.runtime.Create(ctx, req, func(c *container.Container) {
		s.add(c)
		s.events.send(&eventtypes.TaskCreate{
			ContainerID: r.ID,
			Bundle:      r.Bundle,
			Rootfs:      r.Rootfs,
			IO:          &eventtypes.TaskIO{Stdin: r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr, Terminal: r.Terminal},
			Checkpoint:  r.Checkpoint,
			Pid:         uint32(c.Init().Pid()),
		})
	})
	if err != nil {
		return nil, errgrpc.ToGRPC(err)
	}
	fault.Here("reply.create")
	return &taskapi.CreateTaskResponse{Pid: uint32(c.Init().Pid())}, nil
}

func createRequest(ctx context.Context, r *taskapi.CreateTaskRequest) (container.CreateRequest, error) {
	ns, err := namespaces.NamespaceRequired(ctx)
	if err != nil {
		return container.CreateRequest{}, err
	}
	opts, err := options.Parse(r.Options)
	if err != nil {
		err = errdefs.ErrInvalidArgument.WithMessage(err.Error())
	}
	return container.CreateRequest{
		ID:               r.ID,
		Namespace:        ns,
		Bundle:           r.Bundle,
		Rootfs:           rootfsMounts(r.Rootfs),
		Stdio:            stdio.Spec{Stdin: r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr, Terminal: r.Terminal},
		Options:          opts,
		Checkpoint:       r.Checkpoint,
		ParentCheckpoint: r.ParentCheckpoint,
	}, err
}

func rootfsMounts(in []*types.Mount) []rootfs.Mount {
	var out []rootfs.Mount
	for _, m := range in {
		out = append(out, rootfs.Mount{Type: m.Type, Source: m.Source, Target: m.Target, Options: m.Options})
	}
	return out
}

// Start runs a container's program, or an exec.
func (s *Service) Start(ctx context.Context, r *taskapi.StartRequest) (*taskapi.StartResponse, error) {
	c, err := s.container(r.ID)
	if err != nil {
		return nil, err
	}
	resp := &taskapi.StartResponse{}
	if r.ExecID == "" {
		err = c.Start(ctx, func(pid int) {
			resp.Pid = uint32(pid)
			s.events.send(&eventtypes.TaskStart{ContainerID: c.ID, Pid: resp.Pid})
		})
	} else {
		err = c.StartExec(ctx, r.ExecID, func(pid int) {
			resp.Pid = uint32(pid)
			s.events.send(&eventtypes.TaskExecStarted{ContainerID: c.ID, ExecID: r.ExecID, Pid: resp.Pid})
		})
	}
	if err != nil {
		return nil, errgrpc.ToGRPC(err)
	}
	fault.Here("reply.start")
	return resp, nil
}

// Delete removes a container or an exec that has ended or never started.
func (s *Service) Delete(ctx context.Context, r *taskapi.DeleteRequest) (*taskapi.DeleteResponse, error) {
	c, err := s.container(r.ID)
	if err != nil {
		if r.ExecID == "" {
			s.abandon(r.ID)
		}
		return nil, err
	}
	p, err := c.Delete(ctx, r.ExecID)
	if err != nil {
		return nil, errgrpc.ToGRPC(err)
	}
	fault.Here("delete.done")
	exit := p.Exit()
	resp := &taskapi.DeleteResponse{
		Pid:        uint32(p.Pid()),
		ExitStatus: uint32(exit.Status),
		ExitedAt:   timestamppb.New(exit.At),
	}
	if r.ExecID == "" {
		s.mu.Lock()
		delete(s.containers, r.ID)
		s.mu.Unlock()
		s.events.send(&eventtypes.TaskDelete{ContainerID: c.ID, Pid: resp.Pid, ExitStatus: resp.ExitStatus, ExitedAt: resp.ExitedAt})
	}
	fault.Here("reply.delete")
	return resp, nil
}

// Exec adds a process to a container; Start runs it.
func (s *Service) Exec(_ context.Context, r *taskapi.ExecProcessRequest) (*emptypb.Empty, error) {
	c, err := s.container(r.ID)
	if err != nil {
		return nil, err
	}
	_, err = c.Exec(container.ExecRequest{
		ID:    r.ExecID,
		Spec:  r.GetSpec().GetValue(),
		Stdio: stdio.Spec{Stdin: r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr, Terminal: r.Terminal},
	})
	if err != nil {
		return nil, errgrpc.ToGRPC(err)
	}
	s.events.send(&eventtypes.TaskExecAdded{ContainerID: c.ID, ExecID: r.ExecID})
	fault.Here("reply.exec")
	return empty, nil
}

// Wait blocks until a process has ended.
func (s *Service) Wait(ctx context.Context, r *taskapi.WaitRequest) (*taskapi.WaitResponse, error) {
	p, err := s.process(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	exit, err := p.Wait(ctx)
	if err != nil {
		return nil, errgrpc.ToGRPC(err)
	}
	return &taskapi.WaitResponse{ExitStatus: uint32(exit.Status), ExitedAt: timestamppb.New(exit.At)}, nil
}
