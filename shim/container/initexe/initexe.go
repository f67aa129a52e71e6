// Package initexe has containers start from a program that holds libcontainer's init
// and nothing else, tango-init, which is embedded in the shim.
//
// libcontainer starts init, and every exec, by executing the running binary again.
// For the shim that means to start up all of its packages for work that needs a
// tenth of them: measured, 4.7 ms of CPU time instead of 2.6 ms. So the binary's entry
// point (package prelude) goes on as the program in a sealed memfd that the shim holds
// as the descriptor FD. A second exec of a static binary costs 0.3 ms.
//
// Where there is no such program (in a shim that no host service has started, until there
// is a service; or where none has been embedded) the shim's binary is init itself, as in runc.
package initexe

import (
	"compress/gzip"
	"embed"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/opencontainers/runc/libcontainer/exeseal"
	"golang.org/x/sys/unix"

	"tango/mounts/fault"
	"tango/mounts/pidref"
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

// registry lists who holds the program that goes with the sealed binary that executables
// lists the holders of.
func registry(executables pidref.Dir) pidref.Dir { return executables + ".init" }

// Share lists this process as a holder of the program, for shims that it has not started.
// remove takes it off the list.
func Share(program *os.File, executables pidref.Dir) (remove func(), _ error) {
	dir := registry(executables)
	drop, err := dir.Add(os.Getpid(), fmt.Sprintf("fd/%d", program.Fd()), program)
	if err != nil {
		return nil, fmt.Errorf("cannot register what containers start from: %w", err)
	}
	return func() { drop(); dir.Sweep() }, nil
}

// Reserve returns what a shim is to inherit as FD that is started without the program:
// it keeps the place for [Adopt]. The caller closes it.
func Reserve() (*os.File, error) { return os.Open(os.DevNull) }

// lacking tells that FD is reserved, and not the program yet.
var lacking atomic.Bool

// Keep has what this process inherited as FD, if it is the program or kept for it, stay
// there and be closed in whatever is executed. It is called before the first child is.
func Keep() {
	seals, err := unix.FcntlInt(FD, unix.F_GET_SEALS, 0)
	lacking.Store(isReserved())
	if lacking.Load() || err == nil && seals != 0 {
		unix.CloseOnExec(FD)
	}
}

// isReserved tells whether FD is the null device (Documentation/admin-guide/devices.txt).
func isReserved() bool {
	var st unix.Stat_t
	err := unix.Fstat(FD, &st)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(1, 3)
}

// Adopt has a shim that was started without the program take it over from a process that
// shares it, once there is one. A shim that has it, as nearly all do, does nothing.
func Adopt(executables pidref.Dir) {
	if !lacking.Load() || executables == "" {
		return
	}
	f := registry(executables).Open(exeseal.IsCloned)
	if f == nil {
		return
	}
	defer f.Close()
	if unix.Dup3(int(f.Fd()), FD, unix.O_CLOEXEC) == nil {
		lacking.Store(false)
	}
}
