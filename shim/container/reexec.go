package container

import (
	"os"

	"github.com/opencontainers/runc/libcontainer"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // its C constructor joins the namespaces before Go starts

	_ "tango/shim/container/initexe" // the entry point goes on as a smaller program before that
)

// A container's first process, and every exec, starts as this very binary with
// the argument "init", unless package initexe has a better one. It must not get as
// far as main.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "init" {
		libcontainer.Init()
	}
}
