package container

import (
	"context"
	"errors"
	"path/filepath"
	"sync"

	"github.com/containerd/log"
	_ "github.com/opencontainers/cgroups/devices" // lets the cgroup manager set device rules

	"tango/mounts/kernel"
	"tango/mounts/mountns"
	"tango/mounts/pidref"
	"tango/mounts/service"
	"tango/mounts/worker"
	"tango/rootfs"
	"tango/shim/host"
	"tango/shim/telemetry"
)

// Events is told what containers do of themselves. Its methods must not block
// nor call back.
type Events interface {
	// Exited reports the end of a process, after all that was announced of it;
	// of a container's first process, after the ends of all its execs.
	Exited(ExitEvent)
	// OutOfMemory reports that the kernel killed a process of the container.
	OutOfMemory(containerID string)
}

// Shared says where the shims of a host find what they share.
type Shared struct {
	RunDir string
	// Executables lists who runs from this process's sealed binary; empty if
	// this process doesn't.
	Executables pidref.Dir
	Prepared    *Prepared // may be nil; the runtime takes it over
}

// Runtime runs the containers of one shim.
type Runtime struct {
	shared   Shared
	events   Events
	children *children
	oom      *oomWatchers
	sender   *telemetry.Sender
	calls    mountCalls
	turns    *service.Client

	workersOnce sync.Once
	workers     *worker.Workers // written once, by workersOnce, as the next
	workersErr  error

	snapshotsOnce sync.Once

	closeOnce sync.Once
	closeErr  error // written once, by closeOnce

	mu         sync.Mutex // guards the following, made when first needed
	rootfs     *rootfs.Preparer
	template   *mountns.Template
	leanFailed bool // the template can't be had; not tried again
}

// NewRuntime returns a runtime without containers. The process must be a child
// subreaper.
func NewRuntime(ctx context.Context, shared Shared, events Events) *Runtime {
	r := &Runtime{shared: shared, events: events, children: newChildren()}
	r.oom = newOOMWatchers(ctx, events)
	r.turns = newTurns(shared.RunDir, r.ownWorkers)
	r.sender = telemetry.NewSender(shared.RunDir)
	r.calls.observe()
	go r.children.reapOrphans(ctx)
	return r
}

// Close gives up what the runtime shares with other shims. No container of it
// may exist any more. It may be called again: the answer is the same.
func (r *Runtime) Close() error {
	r.closeOnce.Do(func() { r.closeErr = r.close() })
	return r.closeErr
}

func (r *Runtime) close() error {
	r.sender.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := []error{r.shared.Prepared.Close()}
	if r.rootfs != nil {
		errs = append(errs, r.rootfs.Close())
	}
	if r.template != nil {
		errs = append(errs, r.template.Close())
	}
	r.closeWorkers()
	return errors.Join(errs...)
}

// preparer returns the maker of root filesystems; way is what the first
// container's options say.
func (r *Runtime) preparer(way string) (*rootfs.Preparer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rootfs != nil {
		return r.rootfs, nil
	}
	w, err := rootfs.ParseWay(way)
	if err != nil {
		return nil, err
	}
	features, err := kernel.DetectOnce(filepath.Join(r.shared.RunDir, "kernel"))
	if err != nil {
		log.L.WithError(err).Warn("some abilities of this kernel could not be found out")
	}
	r.rootfs = rootfs.New(rootfs.Config{Features: features, Way: w, InPlace: true})
	return r.rootfs, nil
}

// noteSnapshots has the host service watch where the snapshotter makes directories like
// this container's.
func (r *Runtime) noteSnapshots(plan rootfs.Plan) {
	r.snapshotsOnce.Do(func() {
		if upper := plan.Upper(); upper != "" {
			host.NoteSnapshots(r.shared.RunDir, filepath.Dir(filepath.Dir(upper)))
		}
	})
}

// lean returns the template for containers' mount namespaces, or nil where it
// can't be had: then the host's namespace is copied, as runc does.
func (r *Runtime) lean(bundle string) *mountns.Template {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.template != nil || r.leanFailed {
		return r.template
	}
	if r.template = r.shared.Prepared.templateFor(filepath.Dir(bundle)); r.template != nil {
		return r.template
	}
	t, err := host.OpenTemplate(r.shared.RunDir, filepath.Dir(bundle))
	if err != nil {
		log.L.WithError(err).Warn("no template mount namespace: this pod's containers start from copies of the host's mounts")
		r.leanFailed = true
		return nil
	}
	r.template = t
	return t
}
