// Package bootstrap is what containerd executes: it starts a shim or finds the
// one that already serves the pod, cleans up after a dead one, says what this
// runtime can do, and, as the daemon, serves the Task API until it is told to
// shut down.
//
// Sources: containerd's docs/runtime-v2.md and core/runtime/v2/binary.go.
package bootstrap

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/log"

	"tango/shim/keeper"
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
	case inv.info:
		return info(os.Stdin, os.Stdout)
	case inv.action == keeper.Action:
		return keeper.Main(inv.rest)
	case inv.namespace == "":
		return fmt.Errorf("shim namespace cannot be empty: containerd passes it with -namespace")
	}
	if inv.debug {
		_ = log.SetLevel(log.DebugLevel.String())
	}
	ctx := namespaces.WithNamespace(context.Background(), inv.namespace)
	ctx = log.WithLogger(ctx, log.L.WithField("runtime", RuntimeType))
	switch inv.action {
	case "start":
		return start(ctx, inv, os.Stdin, os.Stdout)
	case "delete":
		return remove(ctx, inv, os.Stdout)
	case "":
		return serve(ctx, inv)
	}
	return fmt.Errorf("unknown action %q: must be start or delete", inv.action)
}
