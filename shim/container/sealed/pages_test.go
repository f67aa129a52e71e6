package sealed

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runc/libcontainer/exeseal"
	"golang.org/x/sys/unix"
)

// TestEnlargePages wants a program's code be mapped by huge pages, as its kernel says.
func TestEnlargePages(t *testing.T) {
	f := program(t, 2*hugePage+100)
	err := EnlargePages(f)
	if errors.Is(err, unix.EINVAL) {
		t.Skipf("this kernel gathers no memfd: %v", err) // the matrix knows which may say so
	}
	if err != nil {
		t.Fatal(err)
	}
	mapped, unmap, err := mapAligned(f, hugePage, 2*hugePage)
	if err != nil {
		t.Fatal(err)
	}
	defer unmap()
	if mapped[0] != 'c' { // looks, and so has a page mapped
		t.Errorf("the code begins with %q, want what was written", mapped[0])
	}
	if got := hugeMapped(t, &mapped[0]); got != hugePage>>10 {
		t.Errorf("%d kB of 2 MiB are mapped by huge pages", got)
	}
}

// program makes a sealed program with so many bytes of code, laid out as ours are: in
// its headers, and from hugePage on.
func program(t *testing.T, code int) *os.File {
	t.Helper()
	var image bytes.Buffer
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}
	header := elf.Header64{
		Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	segment := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Off: hugePage, Filesz: uint64(code), Memsz: uint64(code),
	}
	for _, part := range []any{header, segment} {
		if err := binary.Write(&image, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	image.Write(make([]byte, hugePage-image.Len()))
	image.Write(bytes.Repeat([]byte{'c'}, code))
	f, err := exeseal.CloneBinary(&image, int64(image.Len()), "test", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// hugeMapped is how much, in kB, of the mapping that begins at an address is mapped by
// huge pages (proc_pid_smaps(5)).
func hugeMapped(t *testing.T, begin *byte) (kB int) {
	t.Helper()
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer smaps.Close()
	inside := false
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix("0x"+line, fmt.Sprintf("%p-", begin)):
			inside = true
		case inside && strings.HasPrefix(line, "ShmemPmdMapped:"):
			_, err := fmt.Sscanf(line, "ShmemPmdMapped: %d kB", &kB)
			if err != nil {
				t.Fatal(err)
			}
			return kB
		}
	}
	t.Fatalf("no mapping begins at %p", begin)
	return 0
}
