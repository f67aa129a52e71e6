// Package pidref lets processes share kernel objects that live exactly as long
// as some process holds them: a sealed memfd that it executes, a mount namespace
// that it has open. Nothing needs to outlive its users, be pinned or cleaned up.
//
// A directory holds one entry per holder, a symbolic link into the holder's
// /proc directory. Its name says which process is meant, by pid and start time,
// and which object, by inode: neither a recycled pid nor another file that
// happens to be at the same place can pass for it.
package pidref

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is a directory of entries. It belongs to root alone, mode 0700.
type Dir string

// Open returns the object of the first entry that is alive and that accept,
// given the opened file, agrees to; nil if there is none. The caller closes the
// file. Entries of dead holders are removed on the way.
func (d Dir) Open(accept func(*os.File) bool) *os.File {
	names, err := os.ReadDir(string(d))
	if err != nil {
		return nil
	}
	for _, n := range names {
		e, err := parse(n.Name())
		if err != nil {
			continue
		}
		f, err := d.open(e)
		if isStale(err) {
			_ = os.Remove(filepath.Join(string(d), n.Name()))
		}
		if err != nil {
			continue
		}
		if accept(f) {
			return f
		}
		_ = f.Close()
	}
	return nil
}

// Add makes an entry for the object at path below /proc/PID of the process pid,
// for example "exe" or "fd/7". remove takes it out again.
func (d Dir) Add(pid int, path string, object *os.File) (remove func(), _ error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(object.Fd()), &st); err != nil {
		return nil, fmt.Errorf("cannot identify %s: %w", object.Name(), err)
	}
	started, err := startTime(pid)
	if err != nil {
		return nil, err
	}
	link := filepath.Join(string(d), entry{pid, started, st.Ino}.String())
	err = d.symlink(fmt.Sprintf("/proc/%d/%s", pid, path), link)
	if errors.Is(err, os.ErrExist) {
		return func() {}, nil // whoever added it takes it out
	}
	return func() { _ = os.Remove(link) }, err
}

// symlink makes an entry, and the directory as often as somebody who found it
// empty has swept it away in between.
func (d Dir) symlink(target, link string) error {
	for {
		if err := os.MkdirAll(string(d), 0o700); err != nil {
			return err
		}
		if err := os.Symlink(target, link); !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
}

// Holders lists the processes that hold something, without looking at what.
func (d Dir) Holders() []int {
	names, _ := os.ReadDir(string(d))
	var pids []int
	for _, n := range names {
		e, err := parse(n.Name())
		if err != nil {
			continue
		}
		if started, err := startTime(e.pid); err == nil && started == e.started {
			pids = append(pids, e.pid)
		}
	}
	return pids
}

// Drop removes the entries of a process, which is about to end.
func (d Dir) Drop(pid int) {
	names, _ := filepath.Glob(filepath.Join(string(d), strconv.Itoa(pid)+".*"))
	for _, n := range names {
		_ = os.Remove(n)
	}
}

// Sweep removes the entries of dead holders, and the directory if none is left.
func (d Dir) Sweep() {
	d.Open(func(*os.File) bool { return false })
	_ = os.Remove(string(d))
}

// SweepAll sweeps every directory of entries in parent.
func SweepAll(parent string) {
	names, _ := os.ReadDir(parent)
	for _, n := range names {
		Dir(filepath.Join(parent, n.Name())).Sweep()
	}
}

// errStale says that an entry's holder is gone or holds something else now.
var errStale = errors.New("stale entry")

// isStale tells a holder that is gone from trouble of our own, such as too many
// open files.
func isStale(err error) bool {
	return errors.Is(err, errStale) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH)
}

// open follows an entry's link. Who it leads to is checked after that, since only
// then the answer can't change any more, and before the object is opened for
// good: what a recycled pid has there instead might be a fifo, whose open waits.
func (d Dir) open(e entry) (*os.File, error) {
	ref, err := os.OpenFile(filepath.Join(string(d), e.String()), unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	defer ref.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(ref.Fd()), &st); err != nil {
		return nil, err
	}
	started, err := startTime(e.pid)
	if err != nil {
		return nil, err
	}
	if started != e.started || st.Ino != e.inode {
		return nil, errStale
	}
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", ref.Fd()))
}

type entry struct {
	pid     int
	started uint64 // clock ticks since boot
	inode   uint64
}

func (e entry) String() string { return fmt.Sprintf("%d.%d.%d", e.pid, e.started, e.inode) }

func parse(name string) (e entry, err error) {
	_, err = fmt.Sscanf(name, "%d.%d.%d", &e.pid, &e.started, &e.inode)
	if err == nil && e.String() != name {
		err = fmt.Errorf("not an entry: %q", name)
	}
	return e, err
}

// startTime reads field 22 of /proc/PID/stat (proc_pid_stat(5)). The command
// name, field 2, may hold spaces and parentheses: fields count from its end.
func startTime(pid int) (uint64, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 20 {
		return 0, fmt.Errorf("cannot parse %s", path)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}
