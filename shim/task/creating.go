package task

import (
	"context"
	"errors"

	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/protobuf/types/known/emptypb"

	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/errdefs"

	"tango/shim/container"
)

// attempt is a Create under way.
type attempt struct {
	abandoned bool // containerd has asked to delete what it makes
}

// reserve keeps a second create of the same container out.
func (s *Service) reserve(id string) (a *attempt, release func(), _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, exists := s.containers[id]
	_, coming := s.creating[id]
	if exists || coming {
		return nil, nil, errgrpc.ToGRPCf(errdefs.ErrAlreadyExists, "container %s", id)
	}
	a = new(attempt)
	s.creating[id] = a
	return a, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.creating, id)
		s.leave()
	}, nil
}

// abandon notes that the container which is being created is not wanted any more:
// containerd, when its client gives up a create, asks for the container's deletion
// once, is told that there is none, and forgets it.
func (s *Service) abandon(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.creating[id]; ok {
		a.abandoned = true
	}
}

// errAbandoned is read by nobody but the log.
var errAbandoned = errors.New("the container was deleted while it was being created")

// wanted is an error if nobody waits for the container.
func (s *Service) wanted(a *attempt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.abandoned {
		return errAbandoned
	}
	return nil
}

// add makes a container known. With it, there is something to stay for.
func (s *Service) add(c *container.Container) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.containers[c.ID] = c
	s.dismissed = false
}

// Shutdown ends the shim, unless containers are left. While one is being created, it
// is remembered: if nothing comes of that, containerd doesn't ask again.
func (s *Service) Shutdown(context.Context, *taskapi.ShutdownRequest) (*emptypb.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dismissed = true
	s.leave()
	return empty, nil
}

// leave ends the shim if it may go. The caller holds mu.
func (s *Service) leave() {
	if s.dismissed && len(s.containers) == 0 && len(s.creating) == 0 {
		s.shutdown()
	}
}
