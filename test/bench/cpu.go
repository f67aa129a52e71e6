package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cpuTime measures the processor time of everything that takes part in a life:
// containerd, the shims, the runtime, the container.
func (b *bench) cpuTime(ctx context.Context) (retErr error) {
	group, err := b.gatherCPU()
	if err != nil {
		return err
	}
	defer func() { retErr = errors.Join(retErr, group.release()) }()
	title := "CPU time of everything, start to delete"
	columns, err := b.rounds(ctx, title, "ms", b.warmup, b.settings.rounds, func(ctx context.Context, s side) ([]float64, error) {
		before, err := group.read()
		if err != nil {
			return nil, err
		}
		if _, err := b.live(ctx, b.spec(s)); err != nil {
			return nil, err
		}
		// What a shim does after the delete belongs to the container as well.
		if err := b.quiet(ctx); err != nil {
			return nil, err
		}
		after, err := group.read()
		return []float64{after - before}, err
	})
	if err != nil {
		return err
	}
	b.report.add(row{ID: "cpu", Title: title, Unit: "ms"}, columns[0])
	return nil
}

// cpuGroup is a cgroup, of the v2 hierarchy, whose parent also holds the
// containers: the parent's usage is that of all.
type cpuGroup struct {
	dir  string
	home string // the cgroup that containerd came from
}

// gatherCPU puts containerd and the shims, and so what they will start, below the
// cgroup of the node's containers.
func (b *bench) gatherCPU() (*cpuGroup, error) {
	root, err := cgroup2Root()
	if err != nil {
		return nil, err
	}
	home, err := cgroup2Of(b.node.DaemonPID())
	if err != nil {
		return nil, err
	}
	family, err := b.node.Family()
	if err != nil {
		return nil, err
	}
	g := &cpuGroup{dir: filepath.Join(root, b.node.CgroupParent(), "daemon"), home: filepath.Join(root, home)}
	if err := os.MkdirAll(g.dir, 0o755); err != nil {
		return nil, err
	}
	for _, pid := range family {
		if err := g.adopt(pid, home); err != nil {
			return nil, errors.Join(err, g.release())
		}
	}
	return g, nil
}

// adopt moves a process that is in containerd's cgroup: shims, and what they share,
// but not the containers'.
func (g *cpuGroup) adopt(pid int, home string) error {
	own, err := cgroup2Of(pid)
	if errors.Is(err, os.ErrNotExist) || own != home {
		return nil // it has ended, or is in a container
	}
	if err := move(pid, g.dir); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// cgroup2Root returns where cgroup v2 is mounted: alone, or beside v1. Every
// cgroup of it but the root counts processor time, without any controller
// (kernel 4.15, kernel/cgroup/rstat.c).
func cgroup2Root() (string, error) {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir, nil
		}
	}
	return "", errors.New("cannot measure processor time: cgroup v2 is not mounted")
}

// cgroup2Of returns the path of a process' cgroup below the root of the hierarchy.
func cgroup2Of(pid int) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if path, found := strings.CutPrefix(line, "0::"); found {
			return strings.TrimSpace(path), nil
		}
	}
	return "", fmt.Errorf("cannot find process %d in cgroup v2", pid)
}

func move(pid int, dir string) error {
	err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
	if err != nil {
		return fmt.Errorf("cannot move process %d: %w", pid, err)
	}
	return nil
}

// read returns the processor time used until now, in milliseconds.
func (g *cpuGroup) read() (float64, error) {
	data, err := os.ReadFile(filepath.Join(filepath.Dir(g.dir), "cpu.stat"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if value, found := strings.CutPrefix(line, "usage_usec "); found {
			usec, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return usec / 1000, err
		}
	}
	return 0, fmt.Errorf("cannot find usage_usec in cpu.stat of %s", filepath.Dir(g.dir))
}

// release puts all processes of the cgroup back where containerd came from, and
// takes it away.
func (g *cpuGroup) release() error {
	data, err := os.ReadFile(filepath.Join(g.dir, "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, word := range strings.Fields(string(data)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return err
		}
		if err := move(pid, g.home); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return os.Remove(g.dir)
}
