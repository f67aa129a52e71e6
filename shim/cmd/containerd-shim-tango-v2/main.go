// Command containerd-shim-tango-v2 is the containerd runtime v2 shim of runtime
// type io.containerd.tango.v2. containerd executes it; people don't.
package main

import (
	"os"

	"tango/shim/bootstrap"
	_ "tango/shim/sysmon" // the monitor thread wakes less often
)

func main() {
	os.Exit(bootstrap.Main(os.Args))
}
