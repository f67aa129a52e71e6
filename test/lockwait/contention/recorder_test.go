package contention

import (
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"tango/test/program"
)

// patience is how often a test repeats what contends for a lock, until the
// threads have met: nearly always the first time.
const patience = 100

// TestRecord has threads mount and unmount at the same time, each in a mount
// namespace of its own: they must wait for each other, and be seen to.
func TestRecord(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("recording needs root")
	}
	symbols, err := LoadSymbols()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var seen *Recording
	for range patience {
		began := program.Now()
		seen = record(t, func() { mountTogether(t, dir) })
		ended := program.Now()
		own := 0
		for _, w := range seen.Waits {
			if w.PID != uint32(os.Getpid()) || !IsMountClass(symbols.Caller(w)) {
				continue
			}
			own++
			if w.Began < began || w.Ended > ended || w.Time() < 0 {
				t.Fatalf("a wait from %v to %v in a recording from %v to %v", w.Began, w.Ended, began, ended)
			}
			if !strings.Contains(symbols.Path(w), symbols.Caller(w)) || w.Comm == "" {
				t.Fatalf("a wait of %q at %q", w.Comm, symbols.Path(w))
			}
		}
		if own > 0 {
			return
		}
	}
	t.Fatalf("no waits for the mount table's locks among %d", len(seen.Waits))
}

func record(t *testing.T, do func()) *Recording {
	t.Helper()
	r, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	do()
	seen, err := r.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if r.fds != nil || r.rings != nil {
		t.Error("not everything was closed")
	}
	return seen
}

// mountTogether mounts and unmounts from some threads, in namespaces that end
// with them.
func mountTogether(t *testing.T, dir string) {
	t.Helper()
	var threads sync.WaitGroup
	for range 4 {
		threads.Go(func() {
			runtime.LockOSThread() // never unlocked: the thread ends here
			if err := mountAndUnmount(dir, 25); err != nil {
				t.Error(err)
			}
		})
	}
	threads.Wait()
}

func mountAndUnmount(dir string, times int) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for range times {
		if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
			return err
		}
		if err := unix.Unmount(dir, 0); err != nil {
			return err
		}
	}
	return nil
}
