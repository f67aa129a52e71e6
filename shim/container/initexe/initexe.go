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
	"compress/gzip"
	"embed"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/runc/libcontainer/exeseal"
	"golang.org/x/sys/unix"

	"tango/mounts/fault"
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
	if err := fault.Point("service.init"); err != nil {
		return nil, err
	}
	packed, err := program.Open("program/tango-init.gz")
	if err != nil {
		return nil, fmt.Errorf("this shim was built without a program for containers to start from: %w", fs.ErrNotExist)
	}
	defer packed.Close()
	size, err := unpackedSize(packed.(io.ReadSeeker))
	if err != nil {
		return nil, err
	}
	data, err := gzip.NewReader(packed)
	if err != nil {
		return nil, fmt.Errorf("cannot unpack tango-init: %w", err)
	}
	f, err := exeseal.CloneBinary(data, size, prelude.InitName, os.TempDir())
	if err != nil {
		return nil, fmt.Errorf("cannot make a sealed copy of tango-init: %w", err)
	}
	return f, nil
}

// unpackedSize is what a gzip file says last (RFC 1952, ISIZE), in bytes. It leaves
// the file at its beginning.
func unpackedSize(packed io.ReadSeeker) (int64, error) {
	var size [4]byte
	if _, err := packed.Seek(-int64(len(size)), io.SeekEnd); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(packed, size[:]); err != nil {
		return 0, err
	}
	_, err := packed.Seek(0, io.SeekStart)
	return int64(binary.LittleEndian.Uint32(size[:])), err
}

// Keep has what this process inherited as FD, if it is the program, stay there and
// be closed in whatever is executed. It is called before the first child is.
func Keep() {
	if seals, err := unix.FcntlInt(FD, unix.F_GET_SEALS, 0); err == nil && seals != 0 {
		unix.CloseOnExec(FD)
	}
}
