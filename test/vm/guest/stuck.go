package main

import (
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// stuckAfter is how long a test binary may be silent before the guest tells what
// everybody waits for. Emulated tests of some minutes are not rare; the matrix
// ends a silent guest later than this.
const stuckAfter = 4 * time.Minute

// watchdog calls stuck once for each silence: it is told of every line.
type watchdog struct{ timer *time.Timer }

func newWatchdog(stuck func()) *watchdog {
	return &watchdog{time.AfterFunc(stuckAfter, stuck)}
}

func (w *watchdog) line() { w.timer.Reset(stuckAfter) }
func (w *watchdog) stop() { w.timer.Stop() }

// whereAll describes where every process of user space is in the kernel, thread
// by thread, and how often each CPU was interrupted.
func whereAll() []string {
	lines := []string{"guest: nothing heard of the test; this is where everybody waits:"}
	tasks, _ := fs.Glob(proc.FS(), "[0-9]*/task/[0-9]*")
	for _, task := range tasks {
		if command, err := proc.ReadFile(task + "/cmdline"); err != nil || len(command) == 0 {
			continue // a thread of the kernel, or gone
		}
		stat, _ := proc.ReadFile(task + "/stat")
		stack, _ := proc.ReadFile(task + "/stack")
		lines = append(lines, fmt.Sprintf("%.120s", stat))
		for frame := range strings.Lines(string(stack)) {
			lines = append(lines, "    "+strings.TrimSpace(frame))
		}
	}
	interrupts, _ := proc.ReadFile("interrupts")
	return append(lines, strings.Split(string(interrupts), "\n")...)
}
