package operator

import (
	"path/filepath"
	"strconv"
	"strings"
)

// threads are which process each thread belongs to.
type threads map[int]int

// add adds all that run. What the kernel tells of a fork says who a thread's maker
// is, but shims are older than a trace, and gone when it is read.
func (t threads) add() {
	tasks, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	for _, task := range tasks {
		parts := strings.Split(task, "/") // "", "proc", pid, "task", tid
		pid, _ := strconv.Atoi(parts[2])
		tid, _ := strconv.Atoi(parts[4])
		t[tid] = pid
	}
}

// of are the threads of a process.
func (t threads) of(pid int) map[int]bool {
	its := map[int]bool{}
	for tid, of := range t {
		if of == pid {
			its[tid] = true
		}
	}
	return its
}
