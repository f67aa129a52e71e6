package harness

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"

	bootapi "github.com/containerd/containerd/api/runtime/bootstrap/v1"
	"google.golang.org/protobuf/proto"
)

// ShimCommand is how containerd executes a shim to start the container of a bundle:
// with its arguments, environment and standard input, but for the container's options.
func (n *Node) ShimCommand(ctx context.Context, shim, id, bundle string) (*exec.Cmd, error) {
	containerd, err := n.program()
	if err != nil {
		return nil, err
	}
	sockets := n.path("s")
	params, err := proto.Marshal(&bootapi.BootstrapParams{
		InstanceID: id, Namespace: Namespace, LogLevel: bootapi.LogLevelFromString("warn"), SocketDir: &sockets,
		ContainerdGrpcAddress: n.Address(), ContainerdTtrpcAddress: n.Address() + ".ttrpc", ContainerdBinary: containerd,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot write what a shim is started with: %w", err)
	}
	cmd := exec.CommandContext(ctx, shim, "-namespace", Namespace, "-address", n.Address(), "-publish-binary", containerd, "-id", id, "start")
	cmd.Dir = bundle
	cmd.Env = append(n.environ(), "GOMAXPROCS=2", "MAX_SHIM_VERSION=2", "NAMESPACE="+Namespace,
		"TTRPC_ADDRESS="+n.Address()+".ttrpc", "GRPC_ADDRESS="+n.Address())
	cmd.Stdin = bytes.NewReader(params)
	return cmd, nil
}

// InfoCommand is how containerd asks a shim what its runtime can do: in its own environment,
// with the runtime's options, here none, as standard input.
func (n *Node) InfoCommand(ctx context.Context, shim string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, shim, "-info")
	cmd.Env = n.environ()
	cmd.Stdin = bytes.NewReader(nil)
	return cmd
}
