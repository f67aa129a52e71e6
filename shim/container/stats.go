package container

import (
	"fmt"
	"sync"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	"github.com/containerd/errdefs"
)

// cgroupHandle is the container's cgroup as containerd's library sees it, in
// whose messages statistics are reported. It is opened when first needed.
type cgroupHandle struct {
	once sync.Once
	v1   cgroup1.Cgroup
	v2   *cgroup2.Manager
	path string // v2: the group's path below the mount
	err  error
}

// hierarchy finds the v1 controllers once: it reads mountinfo, which takes a
// lock that every mount needs.
var hierarchy = sync.OnceValues(cgroup1.Default)

func (h *cgroupHandle) open(pid int) error {
	h.once.Do(func() {
		if cgroups.Mode() != cgroups.Unified {
			h.v1, h.err = cgroup1.Load(cgroup1.PidPath(pid), cgroup1.WithHierarchy(hierarchy))
			return
		}
		if h.path, h.err = cgroup2.PidGroupPath(pid); h.err == nil {
			h.v2, h.err = cgroup2.Load(h.path)
		}
	})
	return h.err
}

// Stats returns the metrics of the container's cgroup: a *stats.Metrics of
// containerd/cgroups' cgroup1 or cgroup2 package.
func (c *Container) Stats() (any, error) {
	if err := c.cgroup.open(c.init.Pid()); err != nil {
		return nil, fmt.Errorf("cgroup does not exist: %w", errdefs.ErrNotFound)
	}
	if c.cgroup.v1 != nil {
		return c.cgroup.v1.Stat(cgroup1.IgnoreNotExist)
	}
	return c.cgroup.v2.Stat()
}
