package container

import (
	"context"
	"time"
	"unsafe"

	"github.com/containerd/log"
	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"tango/mounts/service"
	"tango/mounts/topology"
	"tango/mounts/worker"
	"tango/shim/host"
)

// longestTurn is more than a container's mount work ever takes; a turn that is lent
// for longer is taken back.
const longestTurn = 10 * time.Second

func newTurns(runDir string, own func() (*worker.Workers, error)) *service.Client {
	return service.NewClient(service.ClientConfig{
		Dir:     host.MountsDir(runDir),
		Workers: own,
		Log:     func(line string) { log.L.Info(line) },
	})
}

// ownWorkers are this process's own mount workers, for when the service can't be
// used. They are started when that happens first.
func (r *Runtime) ownWorkers() (*worker.Workers, error) {
	r.workersOnce.Do(func() { r.workers, r.workersErr = host.OpenWorkers() })
	return r.workers, r.workersErr
}

// closeWorkers ends them, and sees to it that there are none any more.
func (r *Runtime) closeWorkers() {
	r.workersOnce.Do(func() { r.workersErr = worker.ErrClosed })
	if r.workers != nil {
		r.workers.Close()
	}
}

// takeTurn waits until the host's mount locks are not fought over by too many
// creates at once: the work of this one, libcontainer's in the container's first
// process included, may begin then. The turn is on loan for the life of a
// connection, so whoever dies gives it back.
func (c *creation) takeTurn(ctx context.Context) (err error) {
	defer c.rec.Phase("turn")()
	c.turn, err = c.rt.turns.Lease(ctx, homeOf(c.config), longestTurn)
	c.noteService(err == nil && !c.turn.Served())
	return err
}

// noteService counts a create that had to do without the service.
func (c *creation) noteService(missing bool) {
	if missing {
		c.rec.Count("fallback.service", 1)
	}
}

// homeOf is the NUMA node on which the container's mount work should be done: the first
// one of its memory, or where this process runs.
func homeOf(config *configs.Config) topology.NodeID {
	if config.Cgroups != nil && config.Cgroups.Resources != nil {
		mems, _ := topology.ParseCPUSet(config.Cgroups.CpusetMems) // what makes no sense fails the create, later
		for node := range mems.All() {
			return topology.NodeID(node)
		}
	}
	var cpu, node uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), uintptr(unsafe.Pointer(&node)), 0); errno != 0 {
		return worker.AnyNode
	}
	return topology.NodeID(node)
}
