package container

import (
	"context"
	"sync"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	eventtypes "github.com/containerd/containerd/api/events"
	"github.com/containerd/containerd/v2/core/events"
	"github.com/containerd/containerd/v2/pkg/oom"
	oomv1 "github.com/containerd/containerd/v2/pkg/oom/v1"
	"github.com/containerd/log"
	"github.com/moby/sys/userns"

	"tango/mounts/fault"
)

// oomWatchers reports when the kernel kills in a container for lack of memory:
// with an eventfd per cgroup and one epoll loop on v1, with inotify on v2. Both
// end by themselves when the cgroup goes.
type oomWatchers struct {
	ctx    context.Context
	events Events
	v1     func() (oom.Watcher, error) // makes it at first use
	groups sync.Map                    // container id -> cgroup1.Cgroup
}

func newOOMWatchers(ctx context.Context, events Events) *oomWatchers {
	w := &oomWatchers{ctx: ctx, events: events}
	w.v1 = sync.OnceValues(func() (oom.Watcher, error) {
		watcher, err := oomv1.New(w)
		if err == nil {
			go watcher.Run(ctx)
		}
		return watcher, err
	})
	return w
}

// Publish takes the events of the v1 watcher. The kernel also signals when a cgroup
// is removed, and the watcher tells that only by the cgroups of all controllers being
// gone, which they go one by one.
func (w *oomWatchers) Publish(_ context.Context, _ string, event events.Event) error {
	e, ok := event.(*eventtypes.TaskOOM)
	if !ok {
		return nil
	}
	if group, known := w.groups.Load(e.ContainerID); known && hasMemory(group.(cgroup1.Cgroup)) {
		w.events.OutOfMemory(e.ContainerID)
	}
	return nil
}

// hasMemory tells whether the group's memory controller is there. When the kernel
// signals its removal, its files are gone (kill_css in kernel/cgroup/cgroup.c).
func hasMemory(group cgroup1.Cgroup) bool {
	m, err := group.Stat(cgroup1.IgnoreNotExist)
	return err == nil && m.GetMemoryOomControl() != nil
}

// forget ends what is known of a container that is about to go.
func (w *oomWatchers) forget(id string) { w.groups.Delete(id) }

// watchOOM begins right after the create: a process can run out of memory as
// soon as it starts. Trouble is logged; a container runs without being watched.
func (r *Runtime) watchOOM(c *Container) {
	logger := log.G(r.oom.ctx).WithField("container_id", c.ID)
	fault.Here("oom.watch")
	if err := c.openCgroup(); err != nil {
		logger.WithError(err).Error("cannot open the container's cgroup")
		return
	}
	if c.cgroup.v2 != nil {
		enableControllers(c.cgroup.v2, logger)
		go r.oom.watchV2(c.ID, c.cgroup.v2, logger)
		return
	}
	r.oom.groups.Store(c.ID, c.cgroup.v1)
	watcher, err := r.oom.v1()
	if err == nil {
		err = watcher.Add(c.ID, c.cgroup.v1)
	}
	if err != nil {
		logger.WithError(err).Error("cannot watch for out of memory events")
	}
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
