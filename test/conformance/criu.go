package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
)

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
