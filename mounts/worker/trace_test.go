package worker

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// recording is a trace of this process's mount calls, in a trace instance of its
// own. Events are in strict order on all CPUs.
type recording struct {
	t      *testing.T
	dir    string
	marker *os.File
}

// event is a mount call, or what mark wrote.
type event struct {
	cpu  int
	name string // of the call, or "mark"
	text string // what mark wrote
}

// mountCalls are the recorded system calls, with a filter for the arguments where
// not all calls have to do with mounts.
var mountCalls = map[string]string{
	"mount": "", "umount": "", "move_mount": "", "fsmount": "", "mount_setattr": "", "pivot_root": "",
	"open_tree": "flags & 1", "unshare": "unshare_flags & 0x20000",
}

// record starts to trace this process and all threads that it makes from now on.
func record(t *testing.T) *recording {
	t.Helper()
	r := &recording{t: t, dir: filepath.Join(tracefs(t), "instances", fmt.Sprintf("tango-worker.%d", os.Getpid()))}
	must(t, os.Mkdir(r.dir, 0o700))
	t.Cleanup(func() { must(t, unix.Rmdir(r.dir)) })
	r.set("trace_clock", "counter")
	r.set("buffer_size_kb", "8192")
	r.set("options/event-fork", "1")
	r.followThreads()
	for call, filter := range mountCalls {
		dir := "events/syscalls/sys_enter_" + call
		if _, err := os.Stat(filepath.Join(r.dir, dir)); err != nil {
			continue // this kernel lacks the call
		}
		if filter != "" {
			r.set(dir+"/filter", filter)
		}
		r.set(dir+"/enable", "1")
	}
	var err error
	r.marker, err = os.OpenFile(filepath.Join(r.dir, "trace_marker"), os.O_WRONLY, 0)
	must(t, err)
	t.Cleanup(func() { r.marker.Close() })
	return r
}

// followThreads has all threads recorded, and those that they make. One that begins
// while the others are named is seen in the next look.
func (r *recording) followThreads() {
	r.t.Helper()
	for followed := ""; ; {
		tasks, err := os.ReadDir("/proc/self/task")
		must(r.t, err)
		var threads []string
		for _, task := range tasks {
			threads = append(threads, task.Name())
		}
		now := strings.Join(threads, " ")
		if now == followed {
			return
		}
		followed = now
		r.set("set_event_pid", followed)
	}
}

// tracefs finds the trace file system, or mounts one until the test ends.
func tracefs(t *testing.T) string {
	t.Helper()
	const usual = "/sys/kernel/tracing"
	var st unix.Statfs_t
	if err := unix.Statfs(usual, &st); err == nil && st.Type == unix.TRACEFS_MAGIC {
		return usual
	}
	dir := t.TempDir()
	err := unix.Mount("tracefs", dir, "tracefs", 0, "")
	if errors.Is(err, unix.ENODEV) {
		t.Skip("NOT TESTED: this kernel has no tracefs")
	}
	must(t, err)
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	return dir
}

func (r *recording) set(file, value string) {
	r.t.Helper()
	must(r.t, os.WriteFile(filepath.Join(r.dir, file), []byte(value), 0o600))
}

// mark writes into the trace.
func (r *recording) mark(format string, args ...any) {
	if _, err := fmt.Fprintf(r.marker, format, args...); err != nil {
		r.t.Error(err)
	}
}

// stop ends the recording and returns it.
func (r *recording) stop() (events []event) {
	r.t.Helper()
	r.set("tracing_on", "0")
	f, err := os.Open(filepath.Join(r.dir, "trace"))
	must(r.t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if e, ok := parseEvent(lines.Text()); ok {
			events = append(events, e)
		}
		if strings.Contains(lines.Text(), "LOST") {
			r.t.Fatal("events were lost: ", lines.Text())
		}
	}
	must(r.t, lines.Err())
	return events
}

// parseEvent reads "worker.test-12 [001] ..... 345: sys_mount(dev_name: ...)".
func parseEvent(line string) (e event, ok bool) {
	head, what, found := strings.Cut(line, ": ")
	_, cpu, isEvent := strings.Cut(head, " [")
	if !found || !isEvent {
		return e, false
	}
	number, _, _ := strings.Cut(cpu, "]")
	var err error
	if e.cpu, err = strconv.Atoi(number); err != nil {
		return e, false
	}
	if text, is := strings.CutPrefix(what, "tracing_mark_write: "); is {
		e.name, e.text = "mark", text
		return e, true
	}
	name, is := strings.CutPrefix(what, "sys_")
	e.name, _, _ = strings.Cut(name, "(")
	return e, is
}
