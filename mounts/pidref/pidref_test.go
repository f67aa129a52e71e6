package pidref

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func anyone(*os.File) bool { return true }

// memfd is an object to share, with some content to know it by.
func memfd(t *testing.T, content string) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("pidref", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "memfd")
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	return f
}

// fd is the path of f below /proc/PID.
func fd(f *os.File) string { return fmt.Sprintf("fd/%d", f.Fd()) }

func content(t *testing.T, f *os.File) string {
	t.Helper()
	if f == nil {
		return ""
	}
	defer f.Close()
	buf := make([]byte, 100)
	n, _ := f.ReadAt(buf, 0)
	return string(buf[:n])
}

func count(t *testing.T, d Dir) int {
	t.Helper()
	names, err := os.ReadDir(string(d))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func identity(t *testing.T, f *os.File) entry {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	started, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return entry{os.Getpid(), started, st.Ino}
}

// put makes an entry that says e and leads to target.
func put(t *testing.T, d Dir, e entry, target string) {
	t.Helper()
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(string(d), e.String())); err != nil {
		t.Fatal(err)
	}
}

func TestObjectIsFoundWhileItIsHeld(t *testing.T) {
	d, object := Dir(filepath.Join(t.TempDir(), "a/b")), memfd(t, "shared")
	if f := d.Open(anyone); f != nil {
		t.Fatal("found something in no directory")
	}
	remove, err := d.Add(os.Getpid(), fd(object), object)
	if err != nil {
		t.Fatal(err)
	}
	if got := content(t, d.Open(anyone)); got != "shared" {
		t.Errorf("got %q", got)
	}
	if f := d.Open(func(*os.File) bool { return false }); f != nil {
		t.Error("got what was not accepted")
	}
	if n := count(t, d); n != 1 {
		t.Errorf("%d entries, want a living one to stay", n)
	}
	remove()
	remove()
	if f := d.Open(anyone); f != nil {
		t.Error("found after it was removed")
	}
	st, err := os.Stat(string(d))
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v; want it closed to others", st.Mode(), err)
	}
}

func TestSameProcessAddsTwice(t *testing.T) {
	d, object := Dir(t.TempDir()), memfd(t, "x")
	first, err := d.Add(os.Getpid(), fd(object), object)
	if err != nil {
		t.Fatal(err)
	}
	second, err := d.Add(os.Getpid(), fd(object), object)
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, d); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
	second()
	if n := count(t, d); n != 1 {
		t.Error("the second remove took away what the first had added")
	}
	first()
	if n := count(t, d); n != 0 {
		t.Error("not removed")
	}
}

// All that can't be what was added is passed over; what never will be again is
// swept.
func TestStrangersAreNotTakenForHolders(t *testing.T) {
	object := memfd(t, "mine")
	self, link := identity(t, object), fmt.Sprintf("/proc/%d/%s", os.Getpid(), fd(object))
	child := exec.Command("true")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		entry  entry
		target string
	}{
		{"recycled pid", entry{self.pid, self.started - 1, self.inode}, link},
		{"other object at its place", entry{self.pid, self.started, self.inode + 1}, link},
		{"dead holder", entry{child.Process.Pid, self.started, self.inode}, link},
		{"closed descriptor", self, fmt.Sprintf("/proc/%d/fd/99999", os.Getpid())},
		{"a fifo that nobody writes", entry{self.pid, self.started, 1}, fifo},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Dir(t.TempDir())
			put(t, d, tt.entry, tt.target)
			if f := d.Open(anyone); f != nil {
				t.Errorf("took %q", content(t, f))
			}
			if n := count(t, d); n != 0 {
				t.Error("not swept")
			}
		})
	}
}

func TestOthersFilesAreLeftAlone(t *testing.T) {
	d := Dir(t.TempDir())
	for _, name := range []string{"readme", "1.2", "1.2.3.4", "01.2.3", "-1.x.y"} {
		if err := os.WriteFile(filepath.Join(string(d), name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if f := d.Open(anyone); f != nil {
		t.Error("took a file for an entry")
	}
	d.Sweep()
	if n := count(t, d); n != 5 {
		t.Errorf("%d files left of 5", n)
	}
}

// A holder must not lose its entry because somebody else has run out of
// descriptors.
func TestHolderOutlivesTroubleOfTheSeeker(t *testing.T) {
	d, object := Dir(t.TempDir()), memfd(t, "still here")
	if _, err := d.Add(os.Getpid(), fd(object), object); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EACCES} {
		if isStale(&os.PathError{Op: "open", Err: err}) {
			t.Errorf("%v counts as a holder that is gone", err)
		}
	}
	for _, err := range []error{unix.ENOENT, unix.ESRCH, errStale} {
		if !isStale(fmt.Errorf("wrapped: %w", err)) {
			t.Errorf("%v does not count as a holder that is gone", err)
		}
	}
}

func TestSecondHolderIsFoundAfterADeadOne(t *testing.T) {
	d, object := Dir(t.TempDir()), memfd(t, "alive")
	e := identity(t, object)
	put(t, d, entry{1, e.started, e.inode}, "/proc/1/fd/99999") // sorts first
	if _, err := d.Add(os.Getpid(), fd(object), object); err != nil {
		t.Fatal(err)
	}
	if got := content(t, d.Open(anyone)); got != "alive" {
		t.Errorf("got %q", got)
	}
}

func TestSweepAllRemovesEmptyDirectories(t *testing.T) {
	parent, object := t.TempDir(), memfd(t, "x")
	dead, alive := Dir(filepath.Join(parent, "dead")), Dir(filepath.Join(parent, "alive"))
	put(t, dead, entry{1, 1, 1}, "/proc/1/fd/99999")
	remove, err := alive.Add(os.Getpid(), fd(object), object)
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	SweepAll(parent)
	SweepAll(filepath.Join(parent, "missing"))
	if _, err := os.Stat(string(dead)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory of the dead: %v", err)
	}
	if n := count(t, alive); n != 1 {
		t.Errorf("%d entries of the living, want 1", n)
	}
}

func TestAddFailsForADeadProcess(t *testing.T) {
	child := exec.Command("true")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	d := Dir(t.TempDir())
	if _, err := d.Add(child.Process.Pid, "exe", memfd(t, "x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("err %v", err)
	}
	if n := count(t, d); n != 0 {
		t.Errorf("%d entries", n)
	}
}

// The name of a command may look like the fields that follow it.
func TestStartTimeOfAnOddName(t *testing.T) {
	before, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	name, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile("/proc/self/comm", name, 0) })
	if err := os.WriteFile("/proc/self/comm", []byte("a) R 1 (2 3"), 0); err != nil {
		t.Fatal(err)
	}
	after, err := startTime(os.Getpid())
	if err != nil || after != before {
		t.Errorf("start time %d, %v; want %d", after, err, before)
	}
}

func FuzzEntryName(f *testing.F) {
	for _, name := range []string{"1.2.3", "", "1.2", "1.2.3.4", "01.2.3", "-1.2.3", "1.2.99999999999999999999", " 1.2.3", "1.2.3\n", "+1.2.3"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		e, err := parse(name)
		if err == nil && e.String() != name {
			t.Errorf("%q was read as %v", name, e)
		}
	})
}

// Who sweeps an empty directory away must not make another's Add fail.
func TestAddWhileOthersSweep(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "d"))
	f := memfd(t, "x")
	done := make(chan struct{})
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		for {
			select {
			case <-done:
				return
			default:
				_ = os.Remove(string(d)) // what Sweep ends with
			}
		}
	}()
	rounds := 2000
	if testing.Short() {
		rounds = 100
	}
	for i := range rounds {
		remove, err := d.Add(os.Getpid(), fd(f), f)
		if err != nil {
			t.Errorf("add %d: %v", i, err)
			break
		}
		remove()
	}
	close(done)
	<-swept
}
