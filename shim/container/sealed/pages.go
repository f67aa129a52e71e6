package sealed

import (
	"debug/elf"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"tango/mounts/fault"
)

// hugePage is the size, in bytes, of what one entry of a page middle directory maps,
// with pages of 4 KiB, on amd64 and arm64.
const hugePage = 2 << 20

// EnlargePages has the kernel gather the code of a sealed program, which must lie in
// memory and be linked for it (max-page-size, see the Makefile), into huge pages, but
// for what is left over at its end. Who executes it then meets one page fault for each
// 2 MiB of code that it runs through, instead of one for each 64 KiB, and has as much
// less to unmap at its end. Those who execute it already go on.
//
// Not its constants: an idle shim looks at some in each 2 MiB, and would have all of
// them in its resident memory.
//
// MADV_COLLAPSE works for a memfd whatever the machine's settings for transparent huge
// pages say but "deny" (madvise(2); mm/khugepaged.c): seen on Linux 6.12, 6.18 and 7.3. That
// of Linux 6.1, which was the first to have it, says EINVAL.
func EnlargePages(f *os.File) error {
	if err := fault.Point("service.pages"); err != nil {
		return err
	}
	exe, err := elf.NewFile(f)
	if err != nil {
		return fmt.Errorf("cannot find the code of %s: %w", f.Name(), err)
	}
	for _, p := range exe.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 {
			if err := enlarge(f, int64(p.Off), int(p.Filesz)); err != nil {
				return err
			}
		}
	}
	return nil
}

// enlarge does so for a part of the file, in bytes, if it begins where a huge page can.
func enlarge(f *os.File, offset int64, size int) error {
	whole := size &^ (hugePage - 1)
	if whole == 0 || offset%hugePage != 0 {
		return nil
	}
	mapped, unmap, err := mapAligned(f, offset, whole)
	if err != nil {
		return err
	}
	defer unmap()
	if err := unix.Madvise(mapped, unix.MADV_COLLAPSE); err != nil {
		return fmt.Errorf("cannot gather %s into huge pages (MADV_COLLAPSE): %w", f.Name(), err)
	}
	return nil
}

// mapAligned maps a part of a file where a huge page can be: at an address that is a
// multiple of its size.
func mapAligned(f *os.File, offset int64, size int) (mapped []byte, unmap func(), _ error) {
	room, err := unix.Mmap(-1, 0, size+hugePage, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot find room for a mapping of %s: %w", f.Name(), err)
	}
	unmap = func() { _ = unix.Munmap(room) }
	begin := unsafe.Pointer(&room[(hugePage-uintptr(unsafe.Pointer(&room[0]))%hugePage)%hugePage])
	at, err := unix.MmapPtr(int(f.Fd()), offset, begin, uintptr(size), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_FIXED)
	if err != nil {
		unmap()
		return nil, nil, fmt.Errorf("cannot map %s: %w", f.Name(), err)
	}
	return unsafe.Slice((*byte)(at), size), unmap, nil
}
