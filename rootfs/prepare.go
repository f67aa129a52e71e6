package rootfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/containerd/log"

	"tango/mounts/fault"
	"tango/mounts/kernel"
	"tango/mounts/userns"
	"tango/mounts/worker"
)

// Config says how a [Preparer] works.
type Config struct {
	// Features are what the kernel can do, see kernel.Detect. The zero value is
	// the oldest kernel.
	Features kernel.Features
	// Way forces one way; the default takes the best for each overlay.
	Way Way
	// Private makes the calling locked thread enter a fresh mount namespace
	// that no mount event leaves. By default it is a private copy of the
	// thread's own. Only WayPrivate and WayOptions call it, once.
	Private func() error
	// InPlace puts the making of an overlay off until it is attached, where one
	// call can do both; see [Rootfs.AttachInPlace]. Some errors then come from
	// there instead of from Prepare.
	InPlace bool
	// Free has something freed later, off the caller's path; by default the
	// Preparer has a lane of its own for that. It must not be called any more when
	// the Preparer is closed and all that was prepared, too.
	Free func(func())
	// Log takes what is not worth failing for; log.L by default.
	Log *log.Entry
}

// Preparer makes root filesystems, and keeps what they can share. It is safe for
// concurrent use.
type Preparer struct {
	config  Config
	userns  *pool[string, *os.File]      // by Mapping.String
	groups  *pool[groupKey, *layerMount] // by the directory they show
	freeing *worker.Lane                 // nil if Config.Free does it

	stageOnce sync.Once
	stage     *stage // written once, by stageOnce; nil before and on stageErr
	stageErr  error  // likewise

	closed    atomic.Bool
	ungrouped atomic.Uint64
	prepared  [ways]atomic.Uint64
}

// ErrEmptyPlan says that a Plan was not made by [Parse].
var ErrEmptyPlan = errors.New("cannot prepare an empty plan")

// New starts a Preparer. It must be closed.
func New(c Config) *Preparer {
	if c.Log == nil {
		c.Log = log.L
	}
	if c.Private == nil {
		c.Private = privateCopy
	}
	p := &Preparer{config: c}
	if c.Free == nil {
		p.freeing = worker.NewLane(worker.LaneConfig{})
	}
	p.userns = newPool[string](func(f *os.File) { f.Close() })
	p.groups = newPool[groupKey](p.freeLayerMount)
	return p
}

// Close waits until everything that was given back is freed. What was prepared
// stays good, and may be closed later.
func (p *Preparer) Close() error {
	p.closed.Store(true)
	p.stageOnce.Do(func() { p.stageErr = ErrClosed })
	if p.freeing != nil {
		p.freeing.Close() // what it frees may be in the stage
	}
	if p.stage != nil {
		p.stage.queue.close()
	}
	return nil
}

// ErrClosed says that the Preparer was closed.
var ErrClosed = errors.New("cannot prepare: preparer is closed")

// Prepare makes the plan's mounts, detached: no mount namespace that anything
// runs in changes. On an error nothing is left. The caller owns the Rootfs.
//
// Sources and layers are looked up in the mount namespace of the calling thread.
// Prepare stops between two mounts when ctx ends, and at the last moment before it
// makes an overlay: who was stopped meanwhile must not mount what others do by now.
func (p *Preparer) Prepare(ctx context.Context, plan Plan) (*Rootfs, error) {
	if len(plan.steps) == 0 {
		return nil, ErrEmptyPlan
	}
	if p.closed.Load() {
		return nil, ErrClosed
	}
	if p.freeing != nil {
		defer p.freeing.Busy()()
	}
	r := &Rootfs{preparer: p}
	for i, s := range plan.steps {
		err := ctx.Err()
		if err == nil {
			err = fault.Point("rootfs.step")
		}
		if err == nil {
			err = p.prepareStep(ctx, r, s)
		}
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("cannot prepare mount %d (%s): %w", i, s.body.render().Type, err)
		}
	}
	return r, nil
}

// prepareStep adds the step's mount to r, and what it uses of others.
func (p *Preparer) prepareStep(ctx context.Context, r *Rootfs, s step) error {
	var mount *kernel.Mount
	var err error
	switch b := s.body.(type) {
	case overlay:
		b.abandoned = ctx.Err
		return p.prepareOverlay(r, b, s)
	case bind:
		mount, err = p.prepareBind(r, b, s)
	case filesystem:
		mount, err = p.prepareFilesystem(r, b, s)
	}
	if err != nil {
		return err
	}
	_, isBind := s.body.(bind)
	r.parts = append(r.parts, part{mount: mount, target: s.target})
	r.locked = r.locked || isBind || s.flags != 0
	return nil
}

// prepareOverlay adds the overlay to r: made, or to be made when it is attached.
func (p *Preparer) prepareOverlay(r *Rootfs, o overlay, s step) error {
	way, err := p.config.Way.choose(p.config.Features, o, s.mapping)
	if err != nil {
		return err
	}
	late, err := p.inPlace(r, o, s, way)
	if err != nil {
		return err
	}
	made := part{late: late, target: s.target}
	if late == nil {
		if made.mount, err = p.makeOverlay(r, o, s, way); err != nil {
			return err
		}
	}
	r.parts = append(r.parts, made)
	r.locked = r.locked || s.flags != 0
	p.prepared[way].Add(1)
	r.way = way
	return nil
}

func (p *Preparer) makeOverlay(r *Rootfs, o overlay, s step, way Way) (*kernel.Mount, error) {
	switch way {
	case WayPlain:
		return p.plainOverlay(o, s)
	case WayDetached:
		return p.detachedOverlay(r, o, s)
	default:
		return p.privateOverlay(r, o, s, way)
	}
}

// cloneTree copies a mount, detached and private, with these properties, and has
// the copy show owners by the mapping, unless that is empty. Recursive takes along
// what is mounted below, and treats it the same.
func (p *Preparer) cloneTree(r *Rootfs, path string, attrs kernel.MountAttr, recursive bool, mapping Mapping) (m *kernel.Mount, _ error) {
	change := kernel.Change{Set: attrs, Propagation: kernel.Private, Recursive: recursive}
	err := p.withOwners(r, &change, mapping, func() (err error) {
		m, err = kernel.CloneTree(nil, path, change)
		return err
	})
	return m, err
}

// withOwners adds the mapping to a change and makes it. The mapping's user
// namespace is kept for as long as r.
func (p *Preparer) withOwners(r *Rootfs, change *kernel.Change, mapping Mapping, apply func() error) error {
	if mapping.empty() {
		return apply()
	}
	ns, err := p.userNamespace(mapping)
	if err == nil {
		r.mappings = append(r.mappings, ns)
		change.Users = ns.value
		if err = fault.Point("rootfs.idmap"); err == nil {
			err = apply()
		}
	}
	if err != nil {
		return fmt.Errorf("cannot map ids by uidmap %q and gidmap %q: %w", formatMap(mapping.UIDs), formatMap(mapping.GIDs), err)
	}
	return nil
}

func (p *Preparer) userNamespace(mapping Mapping) (*lease[string, *os.File], error) {
	return p.userns.acquire(mapping.String(), func() (*os.File, error) {
		if err := fault.Point("rootfs.userns"); err != nil {
			return nil, err
		}
		return userns.Open(mapping.UIDs, mapping.GIDs)
	})
}

// Stats are what a [Preparer] holds and did.
type Stats struct {
	Groups     int            // shared mounts of layers' parents
	GroupUsers int            // shares of them
	Mappings   int            // user namespaces that mappings are made with
	Ungrouped  uint64         // layers that no common parent reached, since New
	Prepared   map[Way]uint64 // overlays made, by way, since New
}

// Stats tells the present numbers.
func (p *Preparer) Stats() Stats {
	s := Stats{Ungrouped: p.ungrouped.Load(), Prepared: make(map[Way]uint64)}
	s.Groups, s.GroupUsers = p.groups.count()
	s.Mappings, _ = p.userns.count()
	for w := range ways {
		if n := p.prepared[w].Load(); n > 0 {
			s.Prepared[w] = n
		}
	}
	return s
}
