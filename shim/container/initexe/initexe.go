// Package initexe has containers start from a program that holds libcontainer's init
// and nothing else, tango-init, which is embedded in the shim.
//
// libcontainer starts init, and every exec, by executing the running binary again.
// For the shim that means to start up all of its packages for work that needs a
// tenth of them: measured, 4.7 ms of CPU time instead of 2.6 ms. So the binary's entry
// point (package prelude) goes on as the program in a sealed memfd that the shim holds
// as the descriptor FD. A second exec of a static binary costs 0.3 ms.
//
// Where there is no such descriptor (a shim that no host service has started), or no
// program has been embedded, the shim's binary is init itself, as in runc.
package initexe

import (
	"embed"
	"fmt"
	"io/fs"
	"os"

	"github.com/opencontainers/runc/libcontainer/exeseal"
	"golang.org/x/sys/unix"

	"tango/shim/prelude"
)

// FD is the descriptor by which a shim inherits the program: the one after the
// socket that it is given.
const FD = prelude.InitFD

//go:embed all:program
var program embed.FS

// Open returns the program as a sealed, executable memfd (CVE-2019-5736), which the
// caller closes. The error is fs.ErrNotExist if none has been embedded.
func Open() (*os.File, error) {
	data, err := program.Open("program/tango-init")
	if err != nil {
		return nil, fmt.Errorf("this shim was built without a program for containers to start from: %w", fs.ErrNotExist)
	}
	defer data.Close()
	st, err := data.Stat()
	if err != nil {
		return nil, err
	}
	f, err := exeseal.CloneBinary(data, st.Size(), prelude.InitName, os.TempDir())
	if err != nil {
		return nil, fmt.Errorf("cannot make a sealed copy of tango-init: %w", err)
	}
	return f, nil
}

// Keep has what this process inherited as FD, if it is the program, stay there and
// be closed in whatever is executed. It is called before the first child is.
func Keep() {
	if seals, err := unix.FcntlInt(FD, unix.F_GET_SEALS, 0); err == nil && seals != 0 {
		unix.CloseOnExec(FD)
	}
}
