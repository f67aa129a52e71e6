package sealed

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestEnlargePages wants a sealed copy be mapped by huge pages, as its kernel says.
func TestEnlargePages(t *testing.T) {
	f := open(t, t.TempDir()).File
	if err := EnlargePages(f); err != nil {
		t.Fatal(err)
	}
	mapped, unmap, err := mapAligned(f, hugePage)
	if err != nil {
		t.Fatal(err)
	}
	defer unmap()
	if string(mapped[1:4]) != "ELF" { // looks, and so has a page mapped
		t.Errorf("the copy begins with %q, want a program", mapped[:4])
	}
	if got := hugeMapped(t, &mapped[0]); got != hugePage>>10 {
		t.Errorf("%d kB of 2 MiB are mapped by huge pages", got)
	}
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
