package main

import (
	"fmt"
	"io"
	"os"
	"path"
)

// archive writes an initramfs in the kernel's newc format. Several of them, one
// after the other, are one initramfs.
type archive struct {
	w    io.Writer
	size int64
	dirs map[string]bool
	err  error
}

func newArchive(w io.Writer) *archive {
	return &archive{w: w, dirs: map[string]bool{"/": true, ".": true}}
}

// file adds a file, and the directories above it.
func (a *archive) file(name string, mode os.FileMode, data []byte) {
	a.parents(path.Dir(name))
	a.entry(name, 0o100000|uint32(mode.Perm()), data)
}

func (a *archive) parents(dir string) {
	if a.dirs[dir] {
		return
	}
	a.dirs[dir] = true
	a.parents(path.Dir(dir))
	a.entry(dir, 0o040755, nil)
}

// entry writes one member: 13 hexadecimal fields, its name, its data, the last
// two padded to four bytes (initramfs/buffer-format.rst of the kernel).
func (a *archive) entry(name string, mode uint32, data []byte) {
	a.write(fmt.Appendf(nil, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0))
	a.write(append([]byte(name), 0))
	a.pad()
	a.write(data)
	a.pad()
}

func (a *archive) write(b []byte) {
	if a.err != nil {
		return
	}
	var n int
	n, a.err = a.w.Write(b)
	a.size += int64(n)
}

func (a *archive) pad() { a.write(make([]byte, -a.size&3)) }

// close ends the archive and returns the first error of any call.
func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, nil)
	return a.err
}
