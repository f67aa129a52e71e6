package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/service"
	"tango/mounts/topology"
	"tango/mounts/worker"
	"tango/rootfs"
)

// Config says how a [Builder] works.
type Config struct {
	// Workers build, and free what is not needed any more. They stay the caller's.
	Workers *worker.Workers
	// Features are what the kernel can do, see kernel.Detect.
	Features kernel.Features
	// Keep is for how long what containers can share outlives the last build
	// that used it; 30 s if 0. The containers of a pod start one after the other.
	Keep time.Duration
	// MostKept bounds how many builds' shares are kept; 256 if 0.
	MostKept int
}

// Builder builds root filesystems for other processes. It is safe for concurrent
// use.
type Builder struct {
	config   Config
	standing string
	kept     *kept

	mu        sync.Mutex
	closed    bool                            // guarded by mu
	preparers map[rootfs.Way]*rootfs.Preparer // guarded by mu
}

// NewBuilder returns a Builder, which must be closed before its workers are.
func NewBuilder(c Config) (*Builder, error) {
	if c.Keep <= 0 {
		c.Keep = 30 * time.Second
	}
	if c.MostKept <= 0 {
		c.MostKept = 256
	}
	own, err := standing()
	if err != nil {
		return nil, err
	}
	return &Builder{
		config: c, standing: own, kept: newKept(c.Keep, c.MostKept),
		preparers: make(map[rootfs.Way]*rootfs.Preparer),
	}, nil
}

var errStanding = errors.New("cannot build for who has another mount namespace, other capabilities or another security label than this service: start both alike")

// Work answers a request of [Build]: it is a service's Config.Work.
func (b *Builder) Work(ctx context.Context, r service.Request) (service.Reply, error) {
	req, err := decodeRequest(r.Payload)
	if err != nil {
		return service.Reply{}, err
	}
	if req.standing != b.standing {
		return service.Reply{}, errors.Join(errStanding, unix.EXDEV)
	}
	plan, err := rootfs.Parse(req.mounts)
	if err != nil {
		return service.Reply{}, errors.Join(err, unix.EINVAL)
	}
	p, err := b.preparer(req.way)
	if err != nil {
		return service.Reply{}, err
	}
	root, err := prepareOn(ctx, b.config.Workers, r.Node, p, plan)
	if err != nil {
		return service.Reply{}, err
	}
	return b.handOver(root)
}

// prepareOn prepares the plan on the node's worker. When ctx ends, nothing is left.
func prepareOn(ctx context.Context, w *worker.Workers, node topology.NodeID, p *rootfs.Preparer, plan rootfs.Plan) (root *rootfs.Rootfs, _ error) {
	err := w.Do(ctx, node, worker.Job{
		Class: worker.Build,
		Run: func() (err error) {
			root, err = p.Prepare(ctx, plan)
			return err
		},
		Discard: func() { root.Close() },
	})
	if err != nil {
		return nil, err
	}
	return root, nil
}

// handOver makes a reply of a root filesystem, which it takes over.
func (b *Builder) handOver(root *rootfs.Rootfs) (service.Reply, error) {
	trees, err := root.HandOver()
	if err != nil {
		root.Close()
		return service.Reply{}, err
	}
	rep := reply{way: root.Way().String(), locked: root.NeedsLocks()}
	var out service.Reply
	for _, t := range trees {
		rep.targets = append(rep.targets, t.Target)
		out.Files = append(out.Files, t.Mount.Disown())
	}
	out.Payload = rep.encode()
	b.kept.add(root)
	return out, nil
}

// preparer returns the one for the way, in which what containers share lives.
func (b *Builder) preparer(name string) (*rootfs.Preparer, error) {
	way, err := rootfs.ParseWay(name)
	if err != nil {
		return nil, errors.Join(err, unix.EINVAL)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, fmt.Errorf("cannot build: %w", worker.ErrClosed)
	}
	p := b.preparers[way]
	if p == nil {
		p = rootfs.New(rootfs.Config{
			Features: b.config.Features, Way: way,
			Free: func(f func()) { b.config.Workers.Free(worker.AnyNode, f) },
		})
		b.preparers[way] = p
	}
	return p, nil
}

// Stats are what a [Builder] holds.
type Stats struct {
	Groups   int // shared mounts of layers' parents
	Mappings int // user namespaces that owners are mapped with
	Kept     int // builds whose shares are kept
	// Ungrouped are the layers that no shared mount reached, since NewBuilder.
	Ungrouped uint64
}

// Stats tells the present numbers.
func (b *Builder) Stats() (s Stats) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.preparers {
		one := p.Stats()
		s.Groups += one.Groups
		s.Mappings += one.Mappings
		s.Ungrouped += one.Ungrouped
	}
	s.Kept = b.kept.count()
	return s
}

// Close gives up all that is shared. Nothing may be asked of the Builder any more.
func (b *Builder) Close() error {
	b.kept.close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	var errs []error
	for _, p := range b.preparers {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
