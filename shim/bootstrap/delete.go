package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"time"

	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"tango/mounts/fault"
	"tango/shim/container"
	"tango/shim/host"
)

// remove cleans up after a shim that is gone and tells how its container ended.
func remove(ctx context.Context, inv *invocation, c caller) error {
	fault.Here("remove.begin")
	bundle := c.dir
	if inv.bundle != "" {
		bundle = inv.bundle
	}
	if c.warm == nil { // no service has answered
		host.SweepCgroups()
	}
	removeDeadSockets(ctx, inv.addresses(ctx, c.dir))
	lost, err := cleanUp(ctx, inv, bundle)
	if err != nil {
		return err
	}
	data, err := proto.Marshal(&taskapi.DeleteResponse{
		Pid:        uint32(lost.Pid),
		ExitStatus: uint32(lost.Exit.Status),
		ExitedAt:   timestamppb.New(lost.Exit.At),
	})
	if err != nil {
		return fmt.Errorf("cannot encode the delete response: %w", err)
	}
	fault.Here("remove.reply")
	_, err = c.stdout.Write(data)
	return err
}

// cleanUpAgain is after how long a clean-up that has failed is tried again.
const cleanUpAgain = 200 * time.Millisecond

// cleanUp tries twice: containerd asks once only, removes the bundle whatever the
// answer, and what is not taken away now stays. What a machine is out of, memory say,
// it may have a moment later.
func cleanUp(ctx context.Context, inv *invocation, bundle string) (container.Lost, error) {
	lost, err := container.CleanUp(ctx, inv.id, inv.namespace, bundle)
	if err == nil {
		return lost, nil
	}
	time.Sleep(cleanUpAgain)
	lost, again := container.CleanUp(ctx, inv.id, inv.namespace, bundle)
	if again != nil {
		return lost, errors.Join(err, again)
	}
	return lost, nil
}
