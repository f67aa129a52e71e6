package main

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestHeapIsMapped wants the heap to be where populateHeap looks for it.
func TestHeapIsMapped(t *testing.T) {
	if err := populateHeap(); err != nil {
		t.Fatal(err)
	}
	at := uintptr(unsafe.Pointer(anObject)) &^ (heapAlign - 1)
	present := make([]byte, heapUsed/unix.Getpagesize())
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, at, heapUsed, uintptr(unsafe.Pointer(&present[0])))
	if errno != 0 {
		t.Fatal(errno)
	}
	for i, p := range present {
		if p&1 == 0 {
			t.Fatalf("page %d is not there", i)
		}
	}
}
