package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// volatileSource is what mountinfo calls the source of a node's own tmpfs mounts.
const volatileSource = "tango-volatile"

// volatileDirs are the directories that are below /run where containerd and the shims
// are left to their defaults: on a tmpfs, on every machine with systemd.
var volatileDirs = []string{"state", "s", "fifo", "run"}

// likeNode gives the node filesystems as machines have them that run containers for
// good: a tmpfs for what lasts as long as they run, a journal for the rest. destroy
// unmounts what is mounted below the node's directory.
func (n *Node) likeNode() error {
	for _, dir := range volatileDirs {
		if err := os.MkdirAll(n.path(dir), 0o711); err != nil {
			return err
		}
		if err := unix.Mount(volatileSource, n.path(dir), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=711"); err != nil {
			return fmt.Errorf("cannot mount a tmpfs on %s: %w", n.path(dir), err)
		}
	}
	if !lacksJournal(n.dir) {
		return nil
	}
	return n.mountDisk()
}

// lacksJournal tells whether a directory is on an ext4 without a journal: some virtual
// machines have one, for speed, and pay for it with each file that they make
// (recently_deleted in the kernel's fs/ext4/ialloc.c).
func lacksJournal(dir string) bool {
	var at unix.Stat_t
	if err := unix.Stat(dir, &at); err != nil {
		return false
	}
	device, err := os.Readlink(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(at.Dev), unix.Minor(at.Dev)))
	if err != nil {
		return false // no disk
	}
	task, err := os.ReadFile(filepath.Join("/sys/fs/ext4", filepath.Base(device), "journal_task"))
	return err == nil && strings.TrimSpace(string(task)) == "<none>"
}

const (
	diskSize   = 16 << 30 // bytes, none of which is used until it is
	diskInodes = "400000" // a burst of containers takes some thousands
)

// mountDisk has containerd's root on an ext4 of its own, with a journal, in a file.
func (n *Node) mountDisk() error {
	file := n.path("disk")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(file, diskSize); err != nil {
		return err
	}
	// What is made now is not made in the background, while something is measured.
	if err := run("mkfs.ext4", "-q", "-F", "-N", diskInodes, "-E", "lazy_itable_init=0,lazy_journal_init=0", file); err != nil {
		return err
	}
	if err := os.Mkdir(n.path("root"), 0o711); err != nil {
		return err
	}
	return run("mount", "-o", "loop", file, n.path("root"))
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// isOwn reports whether a mount is one of those.
func (n *Node) isOwn(m mountEntry) bool {
	return strings.Contains(m.line, " tmpfs "+volatileSource+" ") || m.point == n.path("root")
}
