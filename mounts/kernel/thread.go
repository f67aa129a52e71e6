package kernel

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// errThreadEnded is what a function gets that ends its goroutine instead of
// returning.
var errThreadEnded = errors.New("function on its own thread did not return")

// InNewThread runs f on a thread of its own that dies afterwards, so that f may
// enter namespaces, and waits for it. It is never the process's first thread,
// which cannot die and through which others see the process in /proc.
//
// What f needs of the process-wide state must not depend on the thread: f must
// not start processes with Pdeathsig, for the thread's death is the parent's.
func InNewThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errThreadEnded
		defer func() { done <- err }()
		runtime.LockOSThread()
		if unix.Gettid() != os.Getpid() {
			// Never unlocked: the runtime ends the thread with the goroutine.
			err = f()
			return
		}
		// While this goroutine holds the first thread, the next gets another.
		err = InNewThread(f)
		runtime.UnlockOSThread()
	}()
	return <-done
}
