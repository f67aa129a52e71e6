package harness

import (
	"os"
	"slices"
	"strings"
)

// maxLine bounds a line of LogTail, in bytes: a dump of all stacks is one.
const maxLine = 2000

// LogTail returns the last lines of the log of containerd and the shims, but
// not those that containerd writes for each plugin when it starts.
func (n *Node) LogTail(lines int) string {
	data, err := os.ReadFile(n.LogPath())
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	all = slices.DeleteFunc(all, func(line string) bool { return strings.Contains(line, "loading plugin\"") })
	all = all[max(0, len(all)-lines):]
	for i, line := range all {
		if len(line) > maxLine {
			all[i] = line[:maxLine] + "..."
		}
	}
	return strings.Join(all, "\n")
}

// Log returns the whole log of containerd and the shims.
func (n *Node) Log() (string, error) {
	data, err := os.ReadFile(n.LogPath())
	return string(data), err
}
