package kernel

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Observer is told of every call this package makes that touches mounts: op is
// the system call's name ("close" for the last reference to a mount held by a
// [Mount]), took the time inside the kernel, err the bare errno or nil. It runs
// on the calling thread, which may be in any mount namespace, so it must not
// block or open files. Calls that probes make are told, too.
type Observer func(op string, took time.Duration, err error)

var observer atomic.Pointer[Observer]

// Observe installs o for the whole process and returns what gives the one
// before it back. A nil o turns observing off, which costs one atomic load a
// call.
func Observe(o Observer) (restore func()) {
	var next *Observer
	if o != nil {
		next = &o
	}
	before := observer.Swap(next)
	return func() { observer.Store(before) }
}

// once makes one call and reports it to the observer.
func once(op string, f func() error) error {
	o := observer.Load()
	if o == nil {
		return f()
	}
	start := time.Now()
	err := f()
	(*o)(op, time.Since(start), err)
	return err
}

// call is once, repeated for as long as a signal interrupts the call. It is for
// calls that leave nothing behind when they are interrupted.
func call(op string, f func() error) error {
	for {
		if err := once(op, f); err != unix.EINTR {
			return err
		}
	}
}
