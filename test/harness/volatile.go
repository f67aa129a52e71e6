package harness

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// volatileSource is what mountinfo calls the source of a node's own mounts.
const volatileSource = "tango-volatile"

// volatileDirs are the directories that are below /run where containerd and the shims
// are left to their defaults: on a tmpfs, on every machine with systemd.
var volatileDirs = []string{"state", "s", "fifo", "run"}

// mountVolatile mounts a tmpfs on each of them; destroy unmounts what is mounted below
// the node's directory.
func (n *Node) mountVolatile() error {
	for _, dir := range volatileDirs {
		if err := os.MkdirAll(n.path(dir), 0o711); err != nil {
			return err
		}
		if err := unix.Mount(volatileSource, n.path(dir), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=711"); err != nil {
			return fmt.Errorf("cannot mount a tmpfs on %s: %w", n.path(dir), err)
		}
	}
	return nil
}

// isVolatile reports whether a line of mountinfo is one of those mounts.
func isVolatile(line string) bool { return strings.Contains(line, " tmpfs "+volatileSource+" ") }
