// Package prelude is what this binary does before the C library and the Go runtime
// start up: its entry point, in assembly and C.
//
// containerd executes the shim for every start and delete, and libcontainer for every
// container and exec. Most of what such a process costs is starting up: the Go
// runtime and some sixty packages, but the C library as well. A static one asks the
// processor for its caches, by cpuid instructions, each of which a virtual machine
// leaves for its host: 0.5 ms on an Intel machine, twice for a create
// (sysdeps/x86/dl-cacheinfo.h of glibc 2.36). So whoever needs neither is served here:
//
//   - start, delete and -info are passed on to the host's service (relay.c);
//   - libcontainer's init goes on as a smaller program (initexe.c).
//
// Everything else begins as if there were no prelude, at the C library's _start.
//
// The C code here must call no function of a library, nor have the compiler call one:
// nothing has been set up yet, not even thread-local storage. TestNothingIsCalled
// looks into the objects.
package prelude

/*
#cgo CFLAGS: -Wall -Wextra -fno-stack-protector
#cgo LDFLAGS: -Wl,-e,tangostart
#include "initexe.h"
#include "relay.h"
*/
import "C"

import "errors"

const (
	// Magic is the first field of a relayed request; a service that doesn't know it
	// declines.
	Magic = C.RELAY_MAGIC
	// Declined is the exit status in a reply that has the process do its work itself.
	Declined = C.RELAY_DECLINED
	// MaxMessage is the largest request and reply, in bytes.
	MaxMessage = C.RELAY_MAX

	// InitFD is the descriptor by which a shim holds the program that its containers
	// start from.
	InitFD = C.TANGO_INIT_FD
	// InitName is that memfd's name, by which the program is told from whatever else
	// may be there.
	InitName = C.TANGO_INIT_NAME
)

// SocketName is the file name of the socket of the service that may act for this
// process. It stands for the binary and the namespaces: a service that runs another
// binary, or sees another host, has another name.
func SocketName() (string, error) {
	var name [C.RELAY_NAME_MAX]C.char
	if C.tango_relay_name(&name[0]) != 0 {
		return "", errors.New("cannot identify this binary and its namespaces: is /proc mounted?")
	}
	return C.GoString(&name[0]), nil
}

// InheritedFiles is the soft limit of open files (RLIMIT_NOFILE) that this process was
// executed with, and hands down. Its own is higher: package os raises it.
func InheritedFiles() uint64 { return uint64(C.tango_inherited_files()) }
