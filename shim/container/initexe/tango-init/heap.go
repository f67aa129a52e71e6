package main

import (
	"bytes"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// heapUsed is how much of its heap, in bytes, an init needs at least.
	heapUsed = 640 << 10
	// heapAlign is what the Go runtime maps its heap in pieces of (64-bit Linux).
	heapAlign = 4 << 20
)

// anObject tells where the heap is.
var anObject *[64]byte

// An init lives for some milliseconds, and touches page after page of its heap for the first
// time meanwhile. To have the kernel map them in one go takes half of what a fault for each does.
func init() { _ = populateHeap() }

// populateHeap maps the beginning of the heap (MADV_POPULATE_WRITE, Linux 5.14). Where
// that can't be, pages come one by one.
func populateHeap() error {
	anObject = new([64]byte)
	anObject[0] = byte(len(os.Args)) // which keeps it from being made when this is linked
	begin, end, err := heap(uintptr(unsafe.Pointer(anObject)))
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_MADVISE, begin, min(heapUsed, end-begin), unix.MADV_POPULATE_WRITE)
	if errno != 0 {
		return errno
	}
	return nil
}

// heap is where the heap begins that an object is in, and where the piece ends that is mapped.
// It begins at a page of the piece that the runtime has chosen at random (mheap.grow in
// runtime/mheap.go of Go 1.26): the first that has been touched.
func heap(object uintptr) (begin, end uintptr, err error) {
	piece := object &^ (heapAlign - 1)
	page := uintptr(unix.Getpagesize())
	touched := make([]byte, heapAlign/page)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, piece, heapAlign, uintptr(unsafe.Pointer(&touched[0])))
	if errno != 0 {
		return 0, 0, errno
	}
	return piece + page*uintptr(bytes.IndexByte(touched, 1)), piece + heapAlign, nil
}
