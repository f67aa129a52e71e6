package kernel

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestInNewThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own := unix.Gettid()
	want := errors.New("from f")
	err := InNewThread(func() error {
		if tid := unix.Gettid(); tid == own || tid == os.Getpid() {
			t.Errorf("f runs on thread %d", tid)
		}
		return want
	})
	if err != want {
		t.Errorf("got %v", err)
	}
}

func TestInNewThreadWhenFunctionDoesNotReturn(t *testing.T) {
	err := InNewThread(func() error {
		runtime.Goexit()
		return nil
	})
	if err != errThreadEnded {
		t.Errorf("got %v", err)
	}
}
