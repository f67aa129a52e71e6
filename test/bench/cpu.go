package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tango/test/sides"
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
	columns, err := b.compare(ctx, b.sides, title, "ms", b.usual(), func(ctx context.Context, s sides.Side) ([]float64, error) {
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
	root *cgroup2Mount
	dir  string
	home string // the cgroup that containerd came from
}

// gatherCPU puts containerd and the shims, and so what they will start, below the
// cgroup of the node's containers.
func (b *bench) gatherCPU() (*cpuGroup, error) {
	home, err := cgroup2Of(b.node.DaemonPID())
	if err != nil {
		return nil, err
	}
	family, err := b.node.Family()
	if err != nil {
		return nil, err
	}
	root, err := findCgroup2(filepath.Join(b.node.Dir(), "cgroup2"))
	if err != nil {
		return nil, err
	}
	g := &cpuGroup{root: root, dir: filepath.Join(root.dir, b.node.CgroupParent(), "daemon"), home: filepath.Join(root.dir, home)}
	if err := os.MkdirAll(g.dir, 0o755); err != nil {
		return nil, errors.Join(err, root.release())
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

// cgroup2Mount is where cgroup v2 is seen.
type cgroup2Mount struct {
	dir string
	own bool // mounted for this
}

// findCgroup2 finds cgroup v2: alone, or beside v1; where it is hidden it mounts it at
// spare. Every cgroup of it but the root counts processor time, without any
// controller (kernel 4.15, kernel/cgroup/rstat.c).
func findCgroup2(spare string) (*cgroup2Mount, error) {
	for _, dir := range []string{"/sys/fs/cgroup", unified} {
		if isCgroup2(dir) {
			return &cgroup2Mount{dir: dir}, nil
		}
	}
	if err := os.Mkdir(spare, 0o700); err != nil {
		return nil, err
	}
	if err := unix.Mount("cgroup2", spare, "cgroup2", 0, ""); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot measure processor time without cgroup v2: %w", err), os.Remove(spare))
	}
	return &cgroup2Mount{dir: spare, own: true}, nil
}

func (m *cgroup2Mount) release() error {
	if !m.own {
		return nil
	}
	if err := unix.Unmount(m.dir, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("cannot unmount cgroup v2 from %s: %w", m.dir, err)
	}
	return os.Remove(m.dir)
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

// emptyTries bounds how often processes are looked for in a cgroup. One may be started
// there between the look and the move of its parent.
const emptyTries = 100

// release puts all processes of the cgroup back where containerd came from, and
// takes it away: with its parent where nobody else sees that, and so would.
func (g *cpuGroup) release() error {
	var err error
	for range emptyTries {
		if err = errors.Join(g.empty(), os.Remove(g.dir)); !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if g.root.own {
		err = errors.Join(err, os.Remove(filepath.Dir(g.dir)))
	}
	return errors.Join(err, g.root.release())
}

// empty moves all processes that are in the cgroup.
func (g *cpuGroup) empty() error {
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
	return nil
}
