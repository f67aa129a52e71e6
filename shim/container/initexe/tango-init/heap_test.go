package main

import (
	"bytes"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestHeapIsMapped wants the heap to be where populateHeap looks for it, and what it
// populates to be there.
func TestHeapIsMapped(t *testing.T) {
	if err := populateHeap(); err != nil {
		t.Fatal(err)
	}
	at := uintptr(unsafe.Pointer(anObject))
	begin, end, err := heap(at)
	if err != nil {
		t.Fatal(err)
	}
	size := min(heapUsed, end-begin)
	if at < begin || at >= begin+size {
		t.Errorf("an object of the first is at %#x, populated is %#x and %#x bytes", at, begin, size)
	}
	present := make([]byte, size/uintptr(unix.Getpagesize()))
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, begin, size, uintptr(unsafe.Pointer(&present[0])))
	if errno != 0 {
		t.Fatal(errno)
	}
	if missing := bytes.IndexByte(present, 0); missing >= 0 {
		t.Errorf("page %d of %d is not there", missing, len(present))
	}
}
