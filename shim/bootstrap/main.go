// Package bootstrap is what containerd executes: it starts a shim or finds the
// one that already serves the pod, cleans up after a dead one, says what this
// runtime can do, and, as the daemon, serves the Task API until it is told to
// shut down.
//
// Sources: containerd's docs/runtime-v2.md and core/runtime/v2/binary.go.
package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/log"

	"tango/shim/container"
	"tango/shim/host"
	"tango/shim/task"
)

// RuntimeType is the name by which containerd's configuration selects this shim.
const RuntimeType = "io.containerd.tango.v2"

// Main runs the action that args ask for and returns the exit status. Errors go
// to stderr, where containerd picks them up.
func Main(args []string) int {
	inv, err := parseInvocation(args)
	if err == nil {
		err = inv.run()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s", RuntimeType, err)
		return 1
	}
	return 0
}

func (inv *invocation) run() error {
	switch {
	case inv.version:
		return printVersion(os.Stdout, filepath.Base(inv.binary))
	case inv.action == host.Action:
		return host.Main(inv.rest, answer, container.PrimeCgroups)
	case inv.action == host.WarmAction:
		return serveWarm(inv.rest)
	case inv.action == "" && !inv.info:
		return inv.serve(nil, nil)
	}
	c, err := self()
	if err != nil {
		return err
	}
	if inv.action == "start" {
		// containerd reads stdout and stderr as one answer.
		log.L.Logger.SetOutput(io.Discard)
	}
	return inv.act(context.Background(), c)
}

// act does what a caller was executed for, and then is done.
func (inv *invocation) act(ctx context.Context, c caller) error {
	if inv.info {
		return info(c.stdin, c.stdout)
	}
	ctx, err := inv.context(ctx)
	if err != nil {
		return err
	}
	switch inv.action {
	case "start":
		return start(ctx, inv, c)
	case "delete":
		return remove(ctx, inv, c)
	}
	return fmt.Errorf("unknown action %q: must be start or delete", inv.action)
}

// context carries containerd's namespace, and a logger.
func (inv *invocation) context(ctx context.Context) (context.Context, error) {
	if inv.namespace == "" {
		return nil, errors.New("shim namespace cannot be empty: containerd passes it with -namespace")
	}
	ctx = namespaces.WithNamespace(ctx, inv.namespace)
	return log.WithLogger(ctx, log.G(ctx).WithField("runtime", RuntimeType)), nil
}

// serve is the daemon; socket, if any, is what it was given to serve on.
func (inv *invocation) serve(socket *os.File, prepared *container.Prepared) error {
	ctx, err := inv.context(context.Background())
	if err != nil {
		return err
	}
	if inv.debug {
		_ = log.SetLevel(log.DebugLevel.String())
	}
	return serve(ctx, inv, socket, prepared)
}

// serveWarm is a daemon that is told whom to serve when it has started up already.
func serveWarm(rest []string) error {
	c, err := host.ParseConfig(rest)
	if err != nil {
		return err
	}
	prepareDaemon()
	task.Rehearse()
	prepared := container.Prepare(container.Shared{RunDir: c.RunDir, Executables: c.Executables}, c.Bundles)
	args, socket, err := host.AwaitRole()
	if err != nil || socket == nil {
		return errors.Join(err, prepared.Close())
	}
	inv, err := parseInvocation(args)
	if err != nil {
		return err
	}
	return inv.serve(socket, prepared)
}
