package bootstrap

import (
	"context"

	"tango/mounts/fault"
	"tango/shim/container"
)

// start answers containerd's question "where is the shim for this container?":
// at the pod's socket, behind which a daemon is put unless one answers.
func start(ctx context.Context, inv *invocation, c caller) (retErr error) {
	req, err := readRequest(inv, c.stdin)
	if err != nil {
		return err
	}
	if !c.mayServe(req) {
		return errDeclined
	}
	container.PrimeCgroups() // a create is about to follow
	group, err := groupOf(c.dir, req.id)
	if err != nil {
		return err
	}
	if err := req.rememberSocketDir(c.dir); err != nil {
		return err
	}
	if err := fault.Point("bootstrap.listen"); err != nil {
		return err
	}
	socket, served, err := listen(ctx, req, group, false)
	if err != nil {
		return err
	}
	defer func() {
		if retErr != nil && !served {
			socket.remove()
		}
	}()
	if err := req.rememberAddress(c.dir, socket.address); err != nil {
		return err
	}
	if served {
		return req.reply(c.stdout, socket.address)
	}
	d, err := newDaemon(inv, req, c)
	if err != nil {
		return err
	}
	if err := fault.Point("bootstrap.spawn"); err != nil {
		return err
	}
	if err := d.spawn(socket); err != nil {
		return err
	}
	if c.warm != nil {
		socket.close() // the daemon has it
	}
	fault.Here("bootstrap.reply")
	return req.reply(c.stdout, socket.address)
}
