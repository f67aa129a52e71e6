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

func (h *cgroupHandle) open(pid int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.v1 != nil || h.v2 != nil {
		return nil
	}
	var err error
	if cgroups.Mode() != cgroups.Unified {
		h.v1, err = cgroup1.Load(cgroup1.PidPath(pid), cgroup1.WithHierarchy(hierarchy))
		return err
	}
	path, err := cgroup2.PidGroupPath(pid)
	if err == nil {
		h.v2, err = cgroup2.Load(path)
	}
	return err
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
