package task

import (
	"context"
	"os"
	"sync"

	"github.com/containerd/containerd/v2/core/events"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/protobuf/types/known/emptypb"

	taskapi "github.com/containerd/containerd/api/runtime/task/v3"

	"tango/shim/container"
)

var empty = &emptypb.Empty{}

// Service serves the containers of one shim. Its methods are the calls of
// containerd's Task API, version 3; they return gRPC status errors.
type Service struct {
	runtime  *container.Runtime
	events   *forwarder
	shutdown func()

	mu         sync.Mutex // guards the following
	containers map[string]*container.Container
	creating   map[string]*attempt
	dismissed  bool // containerd has asked for the end, but something was being created
	warned     bool // that BinaryName means nothing here
}

// New returns a service that publishes its events in the order they happen, and
// calls shutdown when containerd asks for it and no container is left.
func New(ctx context.Context, shared container.Shared, publisher events.Publisher, shutdown func()) *Service {
	s := &Service{
		events:     newForwarder(ctx, publisher),
		shutdown:   shutdown,
		containers: map[string]*container.Container{},
		creating:   map[string]*attempt{},
	}
	s.runtime = container.NewRuntime(ctx, shared, (*reporter)(s))
	return s
}

// Close waits until all events are out, and gives up what the shim shares with
// others on the host.
func (s *Service) Close() error {
	s.events.close()
	return s.runtime.Close()
}

// container finds a container by its id.
func (s *Service) container(id string) (*container.Container, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.containers[id]
	if !ok {
		return nil, errgrpc.ToGRPCf(errdefs.ErrNotFound, "container not created")
	}
	return c, nil
}

// process finds a container's first process, or an exec.
func (s *Service) process(id, exec string) (*container.Process, error) {
	c, err := s.container(id)
	if err != nil {
		return nil, err
	}
	p, err := c.Process(exec)
	return p, errgrpc.ToGRPC(err)
}

// Connect tells the pids of the shim and of the container's first process.
func (s *Service) Connect(_ context.Context, r *taskapi.ConnectRequest) (*taskapi.ConnectResponse, error) {
	resp := &taskapi.ConnectResponse{ShimPid: uint32(os.Getpid())}
	if c, err := s.container(r.ID); err == nil {
		resp.TaskPid = uint32(c.Init().Pid())
	}
	return resp, nil
}
