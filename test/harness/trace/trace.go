// Package trace counts the mount system calls of a process and all that it
// starts, by the kernel's syscall tracepoints, in a trace instance of its own.
//
// It sees what is called, not whether it succeeded. Do not use it where time is
// measured to the microsecond: every counted call writes an event.
package trace

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// calls are the counted system calls with a filter on their arguments, which is
// empty where every call counts: open_tree only if it clones
// (OPEN_TREE_CLONE or OPEN_TREE_NAMESPACE), unshare only of mount namespaces.
var calls = map[string]string{
	"mount": "", "umount": "", "move_mount": "", "fsopen": "", "fsconfig": "", "fsmount": "",
	"mount_setattr": "", "pivot_root": "", "open_tree": "flags & 3", "open_tree_attr": "flags & 3",
	"unshare": "unshare_flags & 0x20000",
}

// uncounted are calls that prepare a mount but do not touch the mount table.
var uncounted = []string{"fsopen", "fsconfig"}

// bufferKiB is the ring buffer of each CPU: room for about 200,000 events.
const bufferKiB = 20000

// Counts are the calls by name.
type Counts map[string]int

// Total returns how many calls touched the mount table.
func (c Counts) Total() int {
	total := 0
	for name, n := range c {
		if (Call{Name: name}).counted() {
			total += n
		}
	}
	return total
}

// Recording is a running count. Stop ends it.
type Recording struct {
	dir     string // of the trace instance
	mounted string // a tracefs mounted by this recording, to be unmounted; else empty
}

// Start begins to count the calls of the processes pids, of all their threads,
// and of every process that they start from now on.
func Start(name string, pids ...int) (_ *Recording, retErr error) {
	r := new(Recording)
	defer func() {
		if retErr != nil {
			retErr = errors.Join(retErr, r.close())
		}
	}()
	root, err := r.tracefs()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, "instances", fmt.Sprintf("%s.%d", name, os.Getpid()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make a trace instance: %w", err)
	}
	r.dir = dir
	if err := r.set("buffer_size_kb", strconv.Itoa(bufferKiB)); err != nil {
		return nil, err
	}
	if err := r.follow(pids); err != nil {
		return nil, err
	}
	for call, filter := range calls {
		if err := r.enable(call, filter); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// tracefs finds the trace file system, or mounts one for the time being.
func (r *Recording) tracefs() (string, error) {
	const usual = "/sys/kernel/tracing"
	var st unix.Statfs_t
	if err := unix.Statfs(usual, &st); err == nil && st.Type == unix.TRACEFS_MAGIC {
		return usual, nil
	}
	dir, err := os.MkdirTemp("", "tango-trace-")
	if err != nil {
		return "", err
	}
	if err := unix.Mount("tracefs", dir, "tracefs", 0, ""); err != nil {
		return "", errors.Join(fmt.Errorf("cannot mount tracefs: %w", err), os.Remove(dir))
	}
	r.mounted = dir
	return dir, nil
}

func (r *Recording) set(file, value string) error {
	if err := os.WriteFile(filepath.Join(r.dir, file), []byte(value), 0o600); err != nil {
		return fmt.Errorf("cannot set up tracing: %w", err)
	}
	return nil
}

// follow restricts the instance to the threads of pids, where those still run, and
// their offspring. A thread that begins while the others are named is seen in the next
// look.
func (r *Recording) follow(pids []int) error {
	if err := r.set("options/event-fork", "1"); err != nil {
		return err
	}
	for followed := ""; ; {
		now, err := threadsOf(pids)
		if err != nil || now == followed {
			return err
		}
		followed = now
		if err := r.set("set_event_pid", followed); err != nil {
			return err
		}
	}
}

// threadsOf lists the threads of processes that still run.
func threadsOf(pids []int) (string, error) {
	var threads []string
	for _, pid := range pids {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("cannot list the threads of %d: %w", pid, err)
		}
		for _, task := range tasks {
			threads = append(threads, task.Name())
		}
	}
	return strings.Join(threads, " "), nil
}

// enable turns one call's tracepoint on. A kernel that lacks the call has none
// of it to count.
func (r *Recording) enable(call, filter string) error {
	event := "events/syscalls/sys_enter_" + call
	if _, err := os.Stat(filepath.Join(r.dir, event)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if filter != "" {
		if err := r.set(event+"/filter", filter); err != nil {
			return err
		}
	}
	return r.set(event+"/enable", "1")
}

// Call is one system call.
type Call struct {
	Process string // its name and thread id, as "containerd-123"
	Name    string // of the call, without the prefix sys_
	Args    string // as the kernel prints them: numbers, and strings where they could be read
}

// counted tells whether the call touches the mount table.
func (c Call) counted() bool { return !slices.Contains(uncounted, c.Name) }

// Stop ends the recording and returns the counts. It fails if events were lost.
func (r *Recording) Stop() (Counts, error) {
	calls, err := r.StopCalls()
	if err != nil {
		return nil, err
	}
	counts := make(Counts)
	for _, c := range calls {
		counts[c.Name]++
	}
	return counts, nil
}

// StopCalls is Stop for who wants to see each call, in order of time.
func (r *Recording) StopCalls() (_ []Call, retErr error) {
	defer func() { retErr = errors.Join(retErr, r.close()) }()
	if err := r.set("tracing_on", "0"); err != nil {
		return nil, err
	}
	if err := r.complete(); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(r.dir, "trace"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var calls []Call
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if c, is := parseCall(lines.Text()); is {
			calls = append(calls, c)
		}
	}
	return calls, lines.Err()
}

// parseCall reads a line such as
// "containerd-123 [001] ..... 12.345: sys_mount(dev_name: ...)".
func parseCall(line string) (c Call, is bool) {
	head, event, found := strings.Cut(line, ": sys_")
	if !found {
		return c, false
	}
	c.Process, _, _ = strings.Cut(strings.TrimSpace(head), " [")
	c.Process = strings.TrimSpace(c.Process)
	c.Name, c.Args, is = strings.Cut(event, "(")
	c.Args = strings.TrimSuffix(c.Args, ")")
	return c, is
}

// String is the call as the documentation has it.
func (c Call) String() string { return fmt.Sprintf("%-20s %s(%s)", c.Process, c.Name, c.Args) }

// complete checks that no CPU's buffer has overrun.
func (r *Recording) complete() error {
	files, err := filepath.Glob(filepath.Join(r.dir, "per_cpu/cpu*/stats"))
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(data)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			if (name == "overrun" || name == "dropped events") && value != "0" {
				return fmt.Errorf("cannot count calls: %s events were lost", value)
			}
		}
	}
	return nil
}

// close takes the instance away, and the tracefs that was mounted for it.
func (r *Recording) close() error {
	var errs []error
	if r.dir != "" {
		errs = append(errs, unix.Rmdir(r.dir))
		r.dir = ""
	}
	if r.mounted != "" {
		errs = append(errs, unix.Unmount(r.mounted, 0), unix.Rmdir(r.mounted))
		r.mounted = ""
	}
	return errors.Join(errs...)
}
