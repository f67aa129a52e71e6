package main

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
	"time"

	"golang.org/x/sys/unix"
)

// hierarchy is one mounted cgroup hierarchy of this machine.
type hierarchy struct {
	Mountpoint string
	Parent     string // where the sandbox's cgroup is made, below Mountpoint
	Unified    bool   // cgroup v2
	Options    string // what a new mount of a v1 hierarchy has to name
}

// hierarchies reads the mounted cgroup hierarchies, in the order of their
// mounts; of several mounts of one hierarchy the first counts. The parent of
// what is made in a v1 hierarchy is the process's own cgroup; in v2 that holds
// processes, which leaves no controllers for children, so it is the top.
func hierarchies() ([]hierarchy, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var hs []hierarchy
	for sc := bufio.NewScanner(f); sc.Scan(); {
		h, ok := parseHierarchy(sc.Text())
		same := func(o hierarchy) bool { return o.Unified == h.Unified && o.Options == h.Options }
		if ok && !slices.ContainsFunc(hs, same) {
			h.Parent = h.ownCgroup(string(own))
			hs = append(hs, h)
		}
	}
	return hs, nil
}

// parseHierarchy takes a line of mountinfo (proc(5)).
func parseHierarchy(line string) (hierarchy, bool) {
	before, after, ok := strings.Cut(line, " - ")
	fields, super := strings.Fields(before), strings.Fields(after)
	if !ok || len(fields) < 5 || len(super) < 3 || !strings.HasPrefix(super[0], "cgroup") {
		return hierarchy{}, false
	}
	h := hierarchy{Mountpoint: fields[4], Unified: super[0] == "cgroup2"}
	if h.Unified {
		return h, true
	}
	var opts []string
	for o := range strings.SplitSeq(super[2], ",") {
		if o != "rw" && o != "ro" {
			opts = append(opts, o)
		}
	}
	h.Options = strings.Join(opts, ",")
	return h, true
}

// ownCgroup finds a v1 hierarchy in /proc/self/cgroup (cgroups(7)).
func (h hierarchy) ownCgroup(own string) string {
	opts := strings.Split(h.Options, ",")
	for l := range strings.Lines(own) {
		fields := strings.SplitN(strings.TrimSpace(l), ":", 3)
		if len(fields) != 3 || h.Unified {
			continue
		}
		names := strings.Split(fields[1], ",")
		if !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(opts, n) }) {
			return fields[2]
		}
	}
	return "/"
}

// dir is the path of the sandbox's cgroup in this hierarchy.
func (h hierarchy) dir(name string) string {
	return filepath.Join(h.Mountpoint, h.Parent, name)
}

// makeCgroups makes a cgroup of this name in each hierarchy.
func makeCgroups(hs []hierarchy, name string) error {
	for _, h := range hs {
		dir := h.dir(name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("cannot make the sandbox's cgroup: %w", err)
		}
		if err := inheritCpuset(dir); err != nil {
			return err
		}
	}
	return nil
}

// inheritCpuset gives a v1 cpuset its parent's CPUs and memory nodes: a new
// one has none, and no process can enter it.
func inheritCpuset(dir string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		have, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(have)) != "" {
			continue
		}
		parents, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
		if err != nil {
			// A v2 root has no such file, and an empty v2 cpuset means all.
			return nil
		}
		if err := os.WriteFile(filepath.Join(dir, name), parents, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups takes away what makeCgroups made and what containers left
// below. The kernel empties the cgroups of dead processes a moment after they
// are reaped, so a busy one is tried again for up to five seconds.
func removeCgroups(hs []hierarchy, name string) error {
	var errs []error
	for _, h := range hs {
		deadline := time.Now().Add(5 * time.Second)
		err := removeCgroup(h.dir(name))
		for errors.Is(err, syscall.EBUSY) && time.Now().Before(deadline) {
			time.Sleep(50 * time.Millisecond)
			err = removeCgroup(h.dir(name))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func removeCgroup(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeCgroup(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(dir)
}

// enterCgroups moves the process into the cgroups of this name and makes them
// the roots of a new cgroup namespace, with mounts that show just those.
// The namespace is the calling thread's: it must be locked, and what starts
// from it inherits the namespace.
func enterCgroups(hs []hierarchy, name string) error {
	for _, h := range hs {
		if err := joinCgroup(h.dir(name)); err != nil {
			return err
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("cannot make a cgroup namespace: %w", err)
	}
	for _, h := range hs {
		if err := h.remount(); err != nil {
			return fmt.Errorf("cannot mount %s for the sandbox: %w", h.Mountpoint, err)
		}
	}
	return nil
}

func (h hierarchy) remount() error {
	if err := unix.Unmount(h.Mountpoint, unix.MNT_DETACH); err != nil {
		return err
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if !h.Unified {
		return unix.Mount("cgroup", h.Mountpoint, "cgroup", flags, h.Options)
	}
	if err := unix.Mount("cgroup", h.Mountpoint, "cgroup2", flags, ""); err != nil {
		return err
	}
	// Only a v2 cgroup without processes can hand controllers to its children.
	leaf := filepath.Join(h.Mountpoint, "init")
	if err := os.Mkdir(leaf, 0o755); err != nil {
		return err
	}
	return joinCgroup(leaf)
}

func joinCgroup(dir string) error {
	err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644)
	if err != nil {
		return fmt.Errorf("cannot enter the sandbox's cgroup: %w", err)
	}
	return nil
}
