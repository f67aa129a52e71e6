package task

import (
	"context"
	"errors"

	eventtypes "github.com/containerd/containerd/api/events"
	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	eventsapi "github.com/containerd/containerd/api/services/ttrpc/events/v1"
	"github.com/containerd/containerd/api/types"
	runcoptions "github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/ttrpc"
	"github.com/containerd/typeurl/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// errRehearsal keeps a rehearsed call from being made.
var errRehearsal = errors.New("only a rehearsal")

// everyLife names the calls that each container's life has. To find out about the
// others, too, takes memory in each shim of a host for what most never meet.
var everyLife = []string{"Create", "Start", "State", "Wait", "Kill", "Delete", "Connect", "Shutdown"}

// Rehearse has everything that is said while a container lives be said once, to
// nobody: package protobuf finds out about each kind of message when it meets the
// first of it, which a container that is being started need not wait for.
func Rehearse() {
	methods := new(Service).methods()
	for _, name := range everyLife {
		_, _ = methods[name](context.Background(), func(request any) error { return errors.Join(roundTrip(request), errRehearsal) })
	}
	for _, m := range examples() {
		_ = roundTrip(m)
	}
}

// roundTrip writes a message and reads it again.
func roundTrip(m any) error {
	message, ok := m.(proto.Message)
	if !ok {
		return nil
	}
	data, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	return proto.Unmarshal(data, message)
}

// examples are the requests that have parts, the answers, the events, and what both
// travel in.
func examples() []proto.Message {
	options, _ := typeurl.MarshalAnyToProto(&runcoptions.Options{Root: "/"})
	event, _ := typeurl.MarshalAnyToProto(&eventtypes.TaskStart{ContainerID: "id"})
	envelope := &types.Envelope{Timestamp: timestamppb.Now(), Namespace: "ns", Topic: "topic", Event: event}
	return []proto.Message{
		&ttrpc.Request{Service: "service", Metadata: []*ttrpc.KeyValue{{Key: "key", Value: "value"}}},
		&ttrpc.Response{Payload: []byte{0}},
		&taskapi.CreateTaskRequest{ID: "id", Rootfs: []*types.Mount{{Type: "overlay", Options: []string{"ro"}}}, Options: options},
		&taskapi.CreateTaskResponse{Pid: 1},
		&taskapi.StartResponse{Pid: 1},
		&taskapi.StateResponse{ID: "id", ExitedAt: timestamppb.Now()},
		&taskapi.WaitResponse{ExitedAt: timestamppb.Now()},
		&taskapi.DeleteResponse{ExitedAt: timestamppb.Now()},
		&taskapi.ConnectResponse{ShimPid: 1},
		empty,
		&eventtypes.TaskCreate{ContainerID: "id", Rootfs: []*types.Mount{{Type: "overlay"}}, IO: &eventtypes.TaskIO{Stdout: "path"}},
		&eventtypes.TaskExit{ContainerID: "id", ExitedAt: timestamppb.Now()},
		&eventtypes.TaskDelete{ContainerID: "id", ExitedAt: timestamppb.Now()},
		&eventsapi.ForwardRequest{Envelope: envelope},
	}
}
