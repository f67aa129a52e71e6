package task

import (
	"context"
	"fmt"

	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/typeurl/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tango/shim/container"
)

// statuses are containerd's names of our states.
var statuses = map[container.State]tasktypes.Status{
	container.Created:    tasktypes.Status_CREATED,
	container.Restorable: tasktypes.Status_CREATED,
	container.Running:    tasktypes.Status_RUNNING,
	container.Pausing:    tasktypes.Status_PAUSING,
	container.Paused:     tasktypes.Status_PAUSED,
	container.Stopped:    tasktypes.Status_STOPPED,
	container.Deleted:    tasktypes.Status_STOPPED,
}

// State tells how a process stands.
func (s *Service) State(_ context.Context, r *taskapi.StateRequest) (*taskapi.StateResponse, error) {
	p, err := s.process(r.ID, r.ExecID)
	if err != nil {
		return nil, err
	}
	id := r.ID
	if r.ExecID != "" {
		id = r.ExecID
	}
	io, exit := p.Stdio(), p.Exit()
	return &taskapi.StateResponse{
		ID:         id,
		Bundle:     p.Container().Bundle,
		Pid:        uint32(p.Pid()),
		Status:     statuses[p.State()],
		Stdin:      io.Stdin,
		Stdout:     io.Stdout,
		Stderr:     io.Stderr,
		Terminal:   io.Terminal,
		ExitStatus: uint32(exit.Status),
		ExitedAt:   timestamppb.New(exit.At),
	}, nil
}

// Pids lists a container's processes, and says which of them are execs.
func (s *Service) Pids(_ context.Context, r *taskapi.PidsRequest) (*taskapi.PidsResponse, error) {
	c, err := s.container(r.ID)
	if err != nil {
		return nil, err
	}
	pids, err := c.Pids()
	if err != nil {
		return nil, errgrpc.ToGRPC(err)
	}
	resp := &taskapi.PidsResponse{}
	for _, pid := range pids {
		info, err := processInfo(c, pid)
		if err != nil {
			return nil, err
		}
		resp.Processes = append(resp.Processes, info)
	}
	return resp, nil
}

func processInfo(c *container.Container, pid int) (*tasktypes.ProcessInfo, error) {
	info := &tasktypes.ProcessInfo{Pid: uint32(pid)}
	p := c.ExecOf(pid)
	if p == nil {
		return info, nil
	}
	details, err := typeurl.MarshalAnyToProto(&runcoptions.ProcessDetails{ExecID: p.ID})
	if err != nil {
		return nil, fmt.Errorf("failed to marshal process %d info: %w", pid, err)
	}
	info.Info = details
	return info, nil
}

// Stats returns the metrics of a container's cgroup.
func (s *Service) Stats(_ context.Context, r *taskapi.StatsRequest) (*taskapi.StatsResponse, error) {
	c, err := s.container(r.ID)
	if err != nil {
		return nil, err
	}
	stats, err := c.Stats()
	if err != nil {
		return nil, errgrpc.ToGRPC(err)
	}
	data, err := typeurl.MarshalAnyToProto(stats)
	if err != nil {
		return nil, err
	}
	return &taskapi.StatsResponse{Stats: data}, nil
}
