package bootstrap

import (
	"context"
	"io"

	"github.com/containerd/log"
)

// start answers containerd's question "where is the shim for this container?":
// at the pod's socket, behind which a daemon is spawned unless one answers.
//
// containerd reads stdout and stderr as one answer, so nothing may be logged.
func start(ctx context.Context, inv *invocation, stdin io.Reader, stdout io.Writer) (retErr error) {
	log.L.Logger.SetOutput(io.Discard)
	req, err := readRequest(inv, stdin)
	if err != nil {
		return err
	}
	group, err := groupOf(req.id)
	if err != nil {
		return err
	}
	if err := req.rememberSocketDir(); err != nil {
		return err
	}
	socket, served, err := listen(ctx, req, group, false)
	if err != nil {
		return err
	}
	if served {
		return req.reply(stdout, socket.address)
	}
	defer func() {
		if retErr != nil {
			socket.remove()
		}
	}()
	d, err := newDaemon(inv, req)
	if err != nil {
		return err
	}
	if err := d.spawn(socket); err != nil {
		return err
	}
	return req.reply(stdout, socket.address)
}
