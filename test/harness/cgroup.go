package harness

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// CgroupParent returns the path of the cgroup that holds the node's containers,
// the same in every hierarchy, with a leading slash.
func (n *Node) CgroupParent() string { return "/" + filepath.Base(n.dir) }

// cgroupPath is the cgroup of a container, as its spec names it.
func (n *Node) cgroupPath(id string) string {
	if n.lent != nil && n.lent.SystemdCgroup {
		return "system.slice:" + filepath.Base(n.dir) + ":" + id
	}
	return n.CgroupParent() + "/" + id
}

// cgroupRoots returns where the cgroup hierarchies are mounted: one for cgroup
// v2, one for each controller of v1.
func cgroupRoots() ([]string, error) {
	mounts, err := mountinfo("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var roots []string
	for _, m := range mounts {
		if (m.fstype == "cgroup" || m.fstype == "cgroup2") && strings.HasPrefix(m.point, "/sys/fs/cgroup") {
			roots = append(roots, m.point)
		}
	}
	return roots, nil
}

// Cgroups returns the cgroups below the node's parent in every hierarchy, the
// deepest first.
func (n *Node) Cgroups() ([]string, error) {
	roots, err := cgroupRoots()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, root := range roots {
		parent := root + n.CgroupParent()
		err := filepath.WalkDir(parent, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				if errors.Is(err, os.ErrNotExist) {
					return nil // taken away meanwhile, or never made
				}
				return err
			}
			if d.IsDir() && path != parent {
				found = append(found, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Reverse(found)
	return found, nil
}

// removeCgroups takes away the node's cgroups, which must be empty of processes.
func (n *Node) removeCgroups() error {
	found, err := n.Cgroups()
	if err != nil {
		return err
	}
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}
	for _, root := range roots {
		found = append(found, root+n.CgroupParent())
	}
	var errs []error
	for _, dir := range found {
		if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, syscall.ENOENT) {
			errs = append(errs, fmt.Errorf("cannot remove cgroup %s: %w", dir, err))
		}
	}
	return errors.Join(errs...)
}

// mountEntry is what this package needs of a line of mountinfo.
type mountEntry struct {
	line, point, fstype string
}

func mountinfo(path string) ([]mountEntry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var entries []mountEntry
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // an overlay's options can be long
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields, rest := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(rest) < 1 {
			return nil, fmt.Errorf("cannot parse %q in %s", lines.Text(), path)
		}
		entries = append(entries, mountEntry{line: lines.Text(), point: fields[4], fstype: rest[0]})
	}
	return entries, lines.Err()
}
