// Command tango-init becomes a container's first process, or one that is executed
// in a container: libcontainer's init and nothing else. The shim could do so itself,
// but starting up all that the shim consists of takes longer than the work.
package main

import (
	"fmt"
	"os"

	"github.com/opencontainers/runc/libcontainer"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // its C constructor joins the namespaces before Go starts

	_ "tango/shim/sysmon" // the monitor thread wakes less often
)

func main() {
	if len(os.Args) != 2 || os.Args[1] != "init" {
		fmt.Fprintln(os.Stderr, "tango-init is what containerd-shim-tango-v2 starts containers with; it does nothing else")
		os.Exit(1)
	}
	rehearse()
	libcontainer.Init()
}
