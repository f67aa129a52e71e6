package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
)

// helpers are the programs without which tests skip or fail, with the Debian
// package of each.
var helpers = map[string]string{
	"criu":     "criu",
	"lsof":     "lsof",
	"mkfs.xfs": "xfsprogs",
	"ps":       "procps",
}

// printMissing says which helpers this machine lacks.
func printMissing(w io.Writer) {
	for program, pkg := range helpers {
		if _, err := exec.LookPath(program); err != nil {
			fmt.Fprintf(w, "MISSING: %s (package %s): the tests that use it can't pass\n", program, pkg)
		}
	}
}

// findCriu returns the directory of a criu that works on this kernel, for the
// checkpoint tests: "" if the system's does, else one that the script
// debian-criu beside this program's source puts into cache.
func findCriu(ctx context.Context, script, cache string, log io.Writer) (string, error) {
	out, err := exec.CommandContext(ctx, "criu", "check").CombinedOutput()
	if err == nil {
		return "", nil
	}
	fmt.Fprintf(log, "the system's criu does not work here (%v):\n%s", err, out)
	cmd := exec.CommandContext(ctx, script, cache)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		reason := err.Error()
		if lines := strings.Split(strings.TrimSpace(string(out)), "\n"); lines[0] != "" {
			reason = lines[len(lines)-1]
		}
		return "", fmt.Errorf("cannot get a criu for this kernel; the system's says: %s", reason)
	}
	return filepath.Abs(cache)
}
