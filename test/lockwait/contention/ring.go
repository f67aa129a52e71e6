package contention

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ringPages is the size of the ring buffer of each CPU, a power of two: 16 MiB,
// room for some 80,000 waits between two looks at it.
const ringPages = 4096

// ring is a CPU's buffer into which the kernel writes records.
type ring struct {
	fd   int // of the event that owns the buffer
	page []byte
	meta *unix.PerfEventMmapPage
	data []byte
}

func newRing(fd int) (*ring, error) {
	size := os.Getpagesize()
	page, err := unix.Mmap(fd, 0, (1+ringPages)*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("cannot map a ring buffer: %w", err)
	}
	return &ring{fd: fd, page: page, meta: (*unix.PerfEventMmapPage)(unsafe.Pointer(&page[0])), data: page[size:]}, nil
}

// headerSize is that of struct perf_event_header: type, misc, size.
const headerSize = 8

// drain hands every complete record to each, and gives their room back. What
// each gets is valid until it returns.
func (r *ring) drain(each func(kind uint32, body []byte)) {
	head := atomic.LoadUint64(&r.meta.Data_head)
	tail := r.meta.Data_tail
	for tail < head {
		header := r.at(tail, headerSize)
		kind, size := binary.NativeEndian.Uint32(header), uint64(binary.NativeEndian.Uint16(header[6:]))
		if size < headerSize {
			break // cannot be; and would never end
		}
		each(kind, r.at(tail, size)[headerSize:])
		tail += size
	}
	atomic.StoreUint64(&r.meta.Data_tail, tail)
}

// at returns size bytes from a position on, in one piece: copied if they go
// over the buffer's end.
func (r *ring) at(position, size uint64) []byte {
	from := position % uint64(len(r.data))
	if to := from + size; to <= uint64(len(r.data)) {
		return r.data[from:to]
	}
	piece := make([]byte, 0, size)
	piece = append(piece, r.data[from:]...)
	return append(piece, r.data[:size-uint64(len(piece))]...)
}

func (r *ring) close() error { return unix.Munmap(r.page) }
