package container

import (
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	// sealedName is what /proc/PID/exe says of a process that executes one of the
	// sealed binaries: libcontainer names them so (exeseal.CloneBinary).
	sealedName = "/memfd:runc_cloned:"
	// programLooks and programPause bound the wait for a container's program, which
	// takes a millisecond after the start; hooks of the container may take longer.
	programLooks = 500
	programPause = 2 * time.Millisecond
)

// awaitProgram waits until the first process executes its program. A start is over
// when that process has been released, a little before: frozen in between, it is
// still libcontainer's init, with open sockets that CRIU can't dump.
func (c *Container) awaitProgram() {
	exe := fmt.Sprintf("/proc/%d/exe", c.init.Pid())
	for range programLooks {
		name, err := os.Readlink(exe)
		if err != nil || !strings.HasPrefix(name, sealedName) {
			return
		}
		time.Sleep(programPause)
	}
}
