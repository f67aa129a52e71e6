package sealed

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size, in bytes, of what one entry of a page middle directory maps,
// with pages of 4 KiB, on amd64 and arm64.
const hugePage = 2 << 20

// EnlargePages has the kernel gather a sealed copy, which must lie in memory, into huge
// pages, but for what is left over at its end. A program that is executed from it then
// meets one page fault for each 2 MiB of code that it runs through, instead of one for
// each 64 KiB, and has as much less to unmap at its end: measured, 0.4 of the 2.4 ms of
// CPU time that a shim takes to start and end. Those who execute it meanwhile go on.
//
// MADV_COLLAPSE needs Linux 6.1, and works for a memfd whatever the machine's settings
// for transparent huge pages say but "deny" (madvise(2); mm/khugepaged.c).
func EnlargePages(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	whole := int(st.Size()) &^ (hugePage - 1)
	if whole == 0 {
		return nil
	}
	mapped, unmap, err := mapAligned(f, whole)
	if err != nil {
		return err
	}
	defer unmap()
	if err := unix.Madvise(mapped, unix.MADV_COLLAPSE); err != nil {
		return fmt.Errorf("cannot gather %s into huge pages (MADV_COLLAPSE, Linux 6.1): %w", f.Name(), err)
	}
	return nil
}

// mapAligned maps the beginning of a file where a huge page can be: at an address that
// is a multiple of its size.
func mapAligned(f *os.File, size int) (mapped []byte, unmap func(), _ error) {
	room, err := unix.Mmap(-1, 0, size+hugePage, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot find room for a mapping of %s: %w", f.Name(), err)
	}
	unmap = func() { _ = unix.Munmap(room) }
	begin := unsafe.Pointer(&room[(hugePage-uintptr(unsafe.Pointer(&room[0]))%hugePage)%hugePage])
	at, err := unix.MmapPtr(int(f.Fd()), 0, begin, uintptr(size), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_FIXED)
	if err != nil {
		unmap()
		return nil, nil, fmt.Errorf("cannot map %s: %w", f.Name(), err)
	}
	return unsafe.Slice((*byte)(at), size), unmap, nil
}
