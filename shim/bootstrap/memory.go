package bootstrap

import "C" // has malloc.c built

import (
	"context"
	"debug/elf"
	"math"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/containerd/log"
	"github.com/containerd/ttrpc"
	"golang.org/x/sys/unix"
)

const (
	// firstCollection is how much memory of the Go runtime, in bytes, as
	// debug.SetMemoryLimit counts it, a shim may have before it collects garbage.
	// Having started a pod it has 8 MB, of which 3 are in use.
	firstCollection = 12 << 20
	// gcPercent keeps the heap of a shim small that has more to do than that.
	gcPercent = 40
	// maxProcs bounds its parallelism then; containerd's runc shim has as much.
	maxProcs = 4
	// untilIdle is how long nothing must have been asked of a shim to call it idle.
	untilIdle = 5 * time.Second
)

func init() {
	runtime.MemProfileRate = 0 // nobody reads the profile, which takes memory itself
}

// beFrugal is for a shim that starts a pod and then waits for its end, as most do.
// It becomes a daemon like others when it has more to do than that.
//
// The heap grows without a collection as long as it is small. The first two
// collections make the runtime's own data a megabyte larger, for good (its lists of
// spans: runtime/mspanset.go), which is more than what they could free. One P, which
// start has set, allocates from one set of spans; it is no slower, because there are
// fewer threads to wake.
func beFrugal() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(firstCollection)
	runtime.AddCleanup(new([16]byte), func(struct{}) { // the first collection finds it unused
		debug.SetGCPercent(gcPercent)
		debug.SetMemoryLimit(math.MaxInt64)
		runtime.GOMAXPROCS(min(maxProcs, runtime.NumCPU()))
	}, struct{}{})
}

// letGoWhenIdle is for a ttrpc server: when it has answered nothing for a while, the
// program's code is unmapped. It comes back by page faults from memory that all shims share;
// meanwhile it does not count as this process's. Between a pod's start and its end
// that is most of the time.
func letGoWhenIdle() ttrpc.UnaryServerInterceptor {
	idle := time.AfterFunc(untilIdle, func() {
		if err := unmapCode(); err != nil {
			log.L.WithError(err).Debug("cannot let go of the program's code")
		}
	})
	return func(ctx context.Context, unmarshal ttrpc.Unmarshaler, _ *ttrpc.UnaryServerInfo, method ttrpc.Method) (any, error) {
		defer idle.Reset(untilIdle)
		return method(ctx, unmarshal)
	}
}

// unmapCode drops the page table entries of what the binary maps and can't change:
// code and constants. That needs the addresses as linked, so a binary that is
// position independent keeps them.
func unmapCode() error {
	exe, err := elf.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer exe.Close()
	for _, p := range exe.Progs {
		if exe.Type == elf.ET_EXEC && p.Type == elf.PT_LOAD && p.Flags&elf.PF_W == 0 {
			if err := forget(p.Vaddr, p.Memsz); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget drops what a range of addresses maps; a file's pages stay in its memory.
func forget(address, size uint64) error {
	page := uint64(unix.Getpagesize())
	begin := address &^ (page - 1)
	end := (address + size) &^ (page - 1) // the last page may hold data, too
	_, _, errno := unix.Syscall(unix.SYS_MADVISE, uintptr(begin), uintptr(end-begin), unix.MADV_DONTNEED)
	if errno != 0 {
		return errno
	}
	return nil
}
