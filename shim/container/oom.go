package container

import (
	"context"
	"os"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	"github.com/containerd/log"
	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"

	"tango/mounts/fault"
)

// oomWatchers reports when the kernel kills in a container for lack of memory:
// with an eventfd per cgroup on v1, with inotify on v2. Both end by themselves when
// the cgroup goes.
type oomWatchers struct {
	ctx    context.Context
	events Events
}

func newOOMWatchers(ctx context.Context, events Events) *oomWatchers {
	return &oomWatchers{ctx: ctx, events: events}
}

// watchV1 has a goroutine wait for the group's eventfd. The kernel signals it when
// memory runs out, and once more when the group's memory controller is removed.
//
// containerd's own watcher takes a group for removed only when those of all
// controllers are, which go one by one: it then tells of one kill too many and
// keeps the descriptor for good.
func (w *oomWatchers) watchV1(id string, group cgroup1.Cgroup) error {
	fd, err := group.OOMEventFD()
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(int(fd), true); err != nil {
		_ = unix.Close(int(fd))
		return err
	}
	f := os.NewFile(fd, "oom eventfd")
	go func() {
		defer f.Close()
		count := make([]byte, 8)
		for {
			if _, err := f.Read(count); err != nil || !hasMemory(group) {
				return
			}
			w.events.OutOfMemory(id)
		}
	}()
	return nil
}

// hasMemory tells whether the group's memory controller is there. When the kernel
// signals its removal, its files are gone (kill_css in kernel/cgroup/cgroup.c).
func hasMemory(group cgroup1.Cgroup) bool {
	m, err := group.Stat(cgroup1.IgnoreNotExist)
	return err == nil && m.GetMemoryOomControl() != nil
}

// watchOOM begins right after the create: a process can run out of memory as
// soon as it starts. Trouble is logged; a container runs without being watched.
func (r *Runtime) watchOOM(c *Container) {
	logger := log.G(r.oom.ctx).WithField("container_id", c.ID)
	fault.Here("oom.watch")
	if cgroups.Mode() != cgroups.Unified {
		if err := c.watchMemoryV1(r.oom); err != nil {
			logger.WithError(err).Error("cannot watch for out of memory events")
		}
		return
	}
	if err := c.openCgroup(); err != nil {
		logger.WithError(err).Error("cannot open the container's cgroup")
		return
	}
	enableControllers(c.cgroup.v2, logger)
	go r.oom.watchV2(c.ID, c.cgroup.v2, logger)
}

// watchMemoryV1 opens the memory controller's group alone. Which other controllers there
// are is in mountinfo, which is long on a node with many containers, and statistics that
// nobody may ever ask for can wait for it.
func (c *Container) watchMemoryV1(w *oomWatchers) error {
	paths, err := c.cgroupPaths()
	if err != nil {
		return err
	}
	memory := func() ([]cgroup1.Subsystem, error) { return []cgroup1.Subsystem{cgroup1.NewMemory(v1Root)}, nil }
	group, err := cgroup1.Load(v1Path(paths), cgroup1.WithHierarchy(memory))
	if err != nil {
		return err
	}
	return w.watchV1(c.ID, group)
}

// watchV2 counts kills; the counter only rises.
func (w *oomWatchers) watchV2(id string, cg *cgroup2.Manager, logger *log.Entry) {
	events, errs := cg.EventChan()
	var kills uint64
	count := func(e cgroup2.Event) {
		if e.OOMKill > kills {
			kills = e.OOMKill
			w.events.OutOfMemory(id)
		}
	}
	for {
		select {
		case e := <-events:
			count(e)
		case err := <-errs:
			if err != nil {
				logger.WithError(err).Error("cannot watch for out of memory events")
			}
			select {
			case e := <-events: // the last one, sent just before the end
				count(e)
			default:
			}
			return
		}
	}
}

// enableControllers makes the group's controllers available to groups below it,
// as containerd's runc shim does.
func enableControllers(cg *cgroup2.Manager, logger *log.Entry) {
	all, err := cg.RootControllers()
	if err != nil {
		logger.WithError(err).Error("failed to get root controllers")
		return
	}
	if err := cg.ToggleControllers(all, cgroup2.Enable); err != nil {
		if userns.RunningInUserNS() {
			logger.WithError(err).Debugf("failed to enable controllers (%v)", all)
			return
		}
		logger.WithError(err).Errorf("failed to enable controllers (%v)", all)
	}
}
