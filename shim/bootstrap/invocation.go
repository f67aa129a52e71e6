package bootstrap

import (
	"flag"
	"io"
)

// invocation is the command line, as every containerd since 1.2 writes it.
type invocation struct {
	binary      string
	action      string // "start", "delete", "service", "warm", or "" for the daemon
	rest        []string
	id          string
	namespace   string
	address     string // containerd's gRPC socket
	bundle      string // only with delete; else the working directory
	socket      string // serve on this path instead of the inherited fd 3
	debugSocket string
	debug       bool
	version     bool
	info        bool
}

func parseInvocation(args []string) (*invocation, error) {
	inv := &invocation{binary: args[0]}
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&inv.debug, "debug", false, "enable debug output in logs")
	fs.BoolVar(&inv.version, "v", false, "show the shim version and exit")
	fs.BoolVar(&inv.version, "version", false, "show the shim version and exit")
	fs.BoolVar(&inv.info, "info", false, "read runtime options from stdin, print the runtime's abilities, exit")
	fs.StringVar(&inv.namespace, "namespace", "", "namespace that owns the shim")
	fs.StringVar(&inv.id, "id", "", "id of the task")
	fs.StringVar(&inv.socket, "socket", "", "socket path to serve")
	fs.StringVar(&inv.debugSocket, "debug-socket", "", "debug socket path to serve")
	fs.StringVar(&inv.bundle, "bundle", "", "path to the bundle if not the working directory")
	fs.StringVar(&inv.address, "address", "", "gRPC address of containerd")
	fs.String("publish-binary", "", "ignored: events go to "+ttrpcAddressEnv)
	if err := fs.Parse(args[1:]); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		inv.action, inv.rest = fs.Arg(0), fs.Args()[1:]
	}
	return inv, nil
}
