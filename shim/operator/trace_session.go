package operator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
)

// tracedCalls are the system calls that touch mounts and mount namespaces.
var tracedCalls = []string{
	"mount", "umount", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
	"pivot_root", "open_tree", "open_tree_attr", "unshare", "setns", "clone",
}

// tracedOnly are conditions on the calls' arguments: of all forks, those that copy a
// mount namespace (CLONE_NEWNS).
var tracedOnly = map[string]string{"clone": "clone_flags & 0x20000"}

// tracedEvents say who belongs to whom and what it was called, and who waits for which
// lock (Linux 5.19).
var tracedEvents = []string{"sched/sched_process_fork", "task/task_rename", "lock/contention_begin", "lock/contention_end"}

// traceBuffer is what each CPU's ring buffer holds: old events give way to new ones,
// so that waiting for long costs nothing but the wait.
const traceBuffer = 16 << 10 // KiB

// session is a trace instance of its own: others may trace at the same time.
type session struct {
	dir string
	// fs is the trace file system, where it is mounted for this session only.
	fs *kernel.Mount
	// threads are those that ran when the trace began, and when it ended.
	threads threads
	// offset makes times of the trace, which are CLOCK_MONOTONIC, times of the day.
	offset time.Duration
}

func startTracing() (_ *session, retErr error) {
	s := &session{threads: threads{}}
	defer func() {
		if retErr != nil {
			s.close()
		}
	}()
	root, err := s.tracefs()
	if err != nil {
		return nil, err
	}
	instances := filepath.Join(root, "instances")
	sweepInstances(instances)
	dir := filepath.Join(instances, instancePrefix+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make a trace instance: %w", err)
	}
	s.dir = dir
	if _, err := os.Stat(filepath.Join(dir, "events/syscalls")); err != nil {
		return nil, fmt.Errorf("cannot trace system calls: this kernel was built without CONFIG_FTRACE_SYSCALLS (%w)", err)
	}
	settings := [][2]string{{"trace_clock", "mono"}, {"buffer_size_kb", strconv.Itoa(traceBuffer)}, {"options/hash-ptr", "0"}}
	for _, call := range tracedCalls {
		enter, exit := "events/syscalls/sys_enter_"+call, "events/syscalls/sys_exit_"+call
		if only := tracedOnly[call]; only != "" {
			settings = append(settings, [2]string{enter + "/filter", only})
		}
		settings = append(settings, [2]string{enter + "/enable", "1"}, [2]string{exit + "/enable", "1"})
	}
	for _, event := range tracedEvents {
		settings = append(settings, [2]string{"events/" + event + "/enable", "1"})
	}
	for _, set := range settings {
		if err := s.set(set[0], set[1]); err != nil {
			return nil, err
		}
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return nil, err
	}
	s.offset = time.Duration(time.Now().UnixNano() - now.Nano())
	s.threads.add() // after the first events, which tell of those that come later
	return s, nil
}

// tracefs finds the trace file system. Where nobody has mounted it, this session does,
// at no place: it is gone with the session, and nobody else sees it.
func (s *session) tracefs() (string, error) {
	for _, dir := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil && st.Type == unix.TRACEFS_MAGIC {
			return dir, nil
		}
	}
	fs, err := kernel.OpenFS("tracefs")
	if err == nil {
		defer fs.Close()
		s.fs, err = fs.Mount(0)
	}
	if err != nil {
		return "", fmt.Errorf("cannot trace: no tracefs is mounted at /sys/kernel/tracing, and it can't be mounted (it takes root, and a kernel with CONFIG_FTRACE): %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d", s.fs.Fd()), nil
}

// instancePrefix and the process's number are the name of an instance.
const instancePrefix = "tango."

// sweepInstances takes those away that were left by processes that were killed: they
// would record, and cost, until the next boot.
func sweepInstances(instances string) {
	dirs, _ := filepath.Glob(filepath.Join(instances, instancePrefix+"*"))
	for _, dir := range dirs {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), instancePrefix))
		if err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			_ = os.Remove(dir)
		}
	}
}

// set writes a setting. A call or event that this kernel lacks can't occur, and an
// option that it lacks is no loss.
func (s *session) set(file, value string) error {
	err := os.WriteFile(filepath.Join(s.dir, file), []byte(value), 0)
	optional := strings.HasPrefix(file, "events/") || strings.HasPrefix(file, "options/")
	if optional && errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot set up tracing: %w", err)
	}
	return nil
}

// stop ends the trace and returns what it saw.
func (s *session) stop() ([]kernelEvent, error) {
	if err := s.set("tracing_on", "0"); err != nil {
		return nil, err
	}
	s.threads.add() // in a long trace the first forks give way to later events
	f, err := os.Open(filepath.Join(s.dir, "trace"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the trace: %w", err)
	}
	defer f.Close()
	events, err := parseTraceLines(f)
	for i := range events {
		events[i].at += s.offset
	}
	return events, err
}

// close takes the instance away.
func (s *session) close() {
	if s.dir != "" {
		_ = os.Remove(s.dir)
	}
	_ = s.fs.Close()
}
