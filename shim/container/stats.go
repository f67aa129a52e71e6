package container

import (
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	"github.com/containerd/errdefs"
)

// cgroupHandle is the container's cgroup as containerd's library sees it, in
// whose messages statistics are reported. It is opened when first needed and
// there: a restorable container has none yet.
type cgroupHandle struct {
	mu sync.Mutex
	v1 cgroup1.Cgroup // v1 or v2 is set when it is open, for good
	v2 *cgroup2.Manager
}

// hierarchy finds the v1 controllers once: it reads mountinfo, which takes a
// lock that every mount needs.
var hierarchy = sync.OnceValues(cgroup1.Default)

// v1Path finds a controller's group by where libcontainer made it. containerd's
// own way, by pid, reads the whole of the host's mountinfo for every container.
// libcontainer takes paths out of its map while it removes the groups, and others may
// be asking here: they look at a copy.
func v1Path(paths map[string]string) cgroup1.Path {
	paths = maps.Clone(paths)
	return func(name cgroup1.Name) (string, error) {
		path, ok := paths[string(name)]
		if !ok {
			path, ok = paths[v1NamePrefix+string(name)]
		}
		if !ok || !strings.HasPrefix(path, v1Root) {
			return "", cgroup1.ErrControllerNotActive
		}
		_, group, _ := strings.Cut(path[len(v1Root):], "/")
		return "/" + group, nil
	}
}

const (
	v1Root       = "/sys/fs/cgroup/"
	v1NamePrefix = "name=" // of hierarchies without a controller
)

func (h *cgroupHandle) isOpen() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.v1 != nil || h.v2 != nil
}

// open opens the cgroup of a process, which libcontainer knows by paths.
func (h *cgroupHandle) open(pid int, paths map[string]string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.v1 != nil || h.v2 != nil {
		return nil
	}
	var err error
	if cgroups.Mode() != cgroups.Unified {
		h.v1, err = cgroup1.Load(v1Path(paths), cgroup1.WithHierarchy(hierarchy))
		return err
	}
	path, err := cgroup2.PidGroupPath(pid)
	if err == nil {
		h.v2, err = cgroup2.Load(path)
	}
	return err
}

// openCgroup is called while nobody can delete the container: before others know of it,
// or under lifecycle.
func (c *Container) openCgroup() error {
	paths, err := c.cgroupPaths()
	if err != nil {
		return err
	}
	return c.cgroup.open(c.init.Pid(), paths)
}

// cgroupPaths are the container's groups by controller, as libcontainer has made them.
func (c *Container) cgroupPaths() (map[string]string, error) {
	lc, err := c.object()
	if err != nil {
		return nil, err
	}
	state, err := lc.State()
	if err != nil {
		return nil, err
	}
	return state.CgroupPaths, nil
}

// openCgroupLate opens the cgroup for whoever first asks for statistics.
func (c *Container) openCgroupLate() error {
	if c.cgroup.isOpen() {
		return nil
	}
	c.lifecycle.Lock()
	defer c.lifecycle.Unlock()
	return c.openCgroup()
}

// Stats returns the metrics of the container's cgroup: a *stats.Metrics of
// containerd/cgroups' cgroup1 or cgroup2 package.
func (c *Container) Stats() (any, error) {
	if err := c.openCgroupLate(); err != nil {
		return nil, fmt.Errorf("cgroup does not exist: %w", errdefs.ErrNotFound)
	}
	if c.cgroup.v1 != nil {
		return c.cgroup.v1.Stat(cgroup1.IgnoreNotExist)
	}
	return c.cgroup.v2.Stat()
}
