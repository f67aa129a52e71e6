package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// dirPrefix begins the names of the nodes' directories.
const dirPrefix = "tango-node-"

// ownerFile in a node's directory names the process that made it, by pid and
// start time, so that a later run can tell what a killed one has left.
const ownerFile = "owner"

// owner describes the calling process.
func owner() (string, error) {
	start, err := startTime(os.Getpid())
	return fmt.Sprintf("%d %s", os.Getpid(), start), err
}

// startTime returns field 22 of /proc/PID/stat, in clock ticks since boot.
func startTime(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The second field is the command in parentheses and may hold anything.
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return "", fmt.Errorf("cannot read the start time of process %d: %d fields", pid, len(fields))
	}
	return fields[19], nil
}

// alive reports whether the process that an owner file names still runs.
func alive(owner string) bool {
	var pid int
	var start string
	if _, err := fmt.Sscanf(owner, "%d %s", &pid, &start); err != nil {
		return false
	}
	now, err := startTime(pid)
	return err == nil && now == start
}

// sweepOnce keeps nodes that start at the same time from sweeping twice.
var sweepOnce sync.Once

// sweep takes away the nodes of processes that died before they could: a test
// run that timed out or was killed.
func sweep() error {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range dirs {
		by, err := os.ReadFile(filepath.Join(dir, ownerFile))
		if err != nil || alive(string(by)) {
			continue // being made or taken away at this moment, or in use
		}
		fmt.Fprintf(os.Stderr, "harness: taking away %s, left by a process that died (%s)\n", dir, by)
		errs = append(errs, (&Node{dir: dir}).destroy())
	}
	return errors.Join(errs...)
}
