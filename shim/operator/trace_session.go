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
)

// tracedCalls are the system calls that touch mounts and mount namespaces.
var tracedCalls = []string{
	"mount", "umount", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr",
	"pivot_root", "open_tree", "open_tree_attr", "unshare", "setns", "clone",
}

// tracedOnly are conditions on the calls' arguments: of all forks, those that copy a
// mount namespace (CLONE_NEWNS).
var tracedOnly = map[string]string{"clone": "clone_flags & 0x20000"}

// tracedEvents say who belongs to whom, and who waits for which lock (Linux 5.19).
var tracedEvents = []string{"sched/sched_process_fork", "lock/contention_begin", "lock/contention_end"}

// traceBuffer is what each CPU's ring buffer holds: old events give way to new ones,
// so that waiting for long costs nothing but the wait.
const traceBuffer = 16 << 10 // KiB

// session is a trace instance of its own: others may trace at the same time.
type session struct {
	dir string
	// offset makes times of the trace, which are CLOCK_MONOTONIC, times of the day.
	offset time.Duration
}

func startTracing() (_ *session, retErr error) {
	root, err := tracefs()
	if err != nil {
		return nil, err
	}
	s := &session{dir: filepath.Join(root, "instances", fmt.Sprintf("tango.%d", os.Getpid()))}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make a trace instance: %w", err)
	}
	defer func() {
		if retErr != nil {
			s.close()
		}
	}()
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
	return s, nil
}

// tracefs finds the trace file system.
func tracefs() (string, error) {
	for _, dir := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil && st.Type == unix.TRACEFS_MAGIC {
			return dir, nil
		}
	}
	return "", errors.New("cannot trace: no tracefs is mounted, or not for this user (as root: mount -t tracefs tracefs /sys/kernel/tracing)")
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
func (s *session) close() { _ = os.Remove(s.dir) }
