package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tango/test/harness"
)

// holds is what a process holds.
type holds struct {
	rss      int // kilobytes
	fds      int
	threads  int
	watches  int            // of inotify
	routines int            // goroutines, of a shim; else 0
	kinds    map[string]int // the descriptors, by what they are
}

func (h holds) String() string {
	return fmt.Sprintf("%d kB, %d fds, %d threads, %d goroutines, %d inotify watches",
		h.rss, h.fds, h.threads, h.routines, h.watches)
}

// look reads what a process holds now.
func look(pid int) (h holds, err error) {
	if h.rss, err = status(pid, "VmRSS"); err != nil {
		return h, err
	}
	if h.threads, err = status(pid, "Threads"); err != nil {
		return h, err
	}
	fds, err := harness.FDs(pid)
	if err != nil {
		return h, err
	}
	h.fds, h.kinds = len(fds), make(map[string]int)
	for fd, target := range fds {
		h.kinds[numbers.ReplaceAllString(target, "N")]++
		if strings.Contains(target, "inotify") {
			info, _ := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, fd))
			h.watches += strings.Count(string(info), "inotify wd:")
		}
	}
	return h, nil
}

// lookShim does so at a shim, and counts its goroutines, which it writes to the log when
// it is told to.
func lookShim(ctx context.Context, n *harness.Node, pid int) (holds, error) {
	h, err := look(pid)
	if err != nil {
		return h, err
	}
	const begin, end = "BEGIN goroutine stack dump", "END goroutine stack dump"
	before, err := n.Log()
	if err != nil {
		return h, err
	}
	if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
		return h, err
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		log, err := n.Log()
		if err != nil {
			return h, err
		}
		if said := log[len(before):]; strings.Contains(said, end) {
			_, stacks, _ := strings.Cut(said, begin)
			h.routines = len(routine.FindAllString(stacks, -1))
			return h, nil
		}
	}
	return h, errors.New("the shim does not write its stacks to the log")
}

// routine begins a goroutine's stack.
var routine = regexp.MustCompile(`goroutine [0-9]+ \[`)

// numbers are what tells descriptors of one kind apart.
var numbers = regexp.MustCompile(`[0-9a-f]*[0-9][0-9a-f]*`)

// status reads a number from /proc/PID/status.
func status(pid int, field string) (int, error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(data), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && name == field {
			return strconv.Atoi(strings.Fields(value)[0])
		}
	}
	return 0, fmt.Errorf("process %d has no %s", pid, field)
}

// How much more a process may hold at the end than after it had warmed up: what
// grows with each cycle passes all of this within a few hundred. Go keeps the threads
// that it once needed: as many as calls ever blocked at the same time.
const (
	moreKB      = 8 << 10
	moreFDs     = 4
	moreThreads = 16
	moreGo      = 6
)

// grown returns an error if the process holds more than it should.
func (h holds) grown(from holds) error {
	if h.rss > from.rss+moreKB || h.fds > from.fds+moreFDs || h.threads > from.threads+moreThreads ||
		h.routines > from.routines+moreGo || h.watches > from.watches {
		return fmt.Errorf("it grows: from %v to %v%s", from, h, h.more(from))
	}
	return nil
}

// more says which kinds of descriptors have become more.
func (h holds) more(from holds) string {
	var all strings.Builder
	for kind, n := range h.kinds {
		if n > from.kinds[kind] {
			fmt.Fprintf(&all, "\n\t%d more of %s", n-from.kinds[kind], kind)
		}
	}
	return all.String()
}
