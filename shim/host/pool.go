package host

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/log"
	"golang.org/x/sys/unix"

	"tango/mounts/fault"
	"tango/shim/container/initexe"
	"tango/shim/container/sealed"
)

const (
	// refillDelay keeps the start of the next warm shim out of the way of the
	// container that has just taken one.
	refillDelay = 60 * time.Millisecond
	// maxDefer bounds how often that delay begins anew: where containers start
	// faster than it passes, there would never be a warm shim again.
	maxDefer = 500 * time.Millisecond
)

// Pool holds warm shims: processes of this binary that have started up and wait to
// be told whom to serve.
type Pool struct {
	Config Config // of the service

	init   *os.File // what containers start from, for shims to inherit, or nil
	unlist func()   // has init no longer be there for other shims
	cgroup cgroup   // says where shims begin

	mu     sync.Mutex // guards the following
	ready  []*Warm
	coming int
	demand demand
	refill *time.Timer // until the next is started
	thin   *time.Timer // until some go
	since  time.Time   // when somebody first asked after the last fill
	closed bool
	warned bool
	reaper *reaper
}

// newPool returns a pool that is empty until somebody has asked: who runs with a run
// directory that the relay doesn't know never will.
func newPool(ctx context.Context, c Config, own cgroup) *Pool {
	p := &Pool{Config: c, cgroup: own, demand: newDemand(memory()), reaper: newReaper(ctx), unlist: func() {}}
	if err := p.openInit(); err != nil {
		p.warn(err)
	}
	p.refill = time.AfterFunc(refillDelay, p.fill)
	p.refill.Stop()
	p.thin = time.AfterFunc(calm, p.thinOut)
	p.thin.Stop()
	return p
}

// openInit gets ready what containers start from, also for shims that no service has started.
func (p *Pool) openInit() (err error) {
	if p.init, err = initexe.Open(); err != nil || p.Config.Executables == "" {
		return err
	}
	unlist, err := initexe.Share(p.init, p.Config.Executables)
	if err == nil {
		p.unlist = unlist
	}
	return err
}

// Take hands out a warm shim, or nil if none is ready.
func (p *Pool) Take() *Warm {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.deferFill()
	w := p.pop()
	if w == nil {
		p.demand.missed()
	}
	if p.demand.wave(len(p.ready)) {
		p.thin.Reset(calm)
	}
	return w
}

// pop takes the first of those that are ready, or nil.
func (p *Pool) pop() *Warm {
	if len(p.ready) == 0 {
		return nil
	}
	w := p.ready[0]
	p.ready = p.ready[1:]
	return w
}

// deferFill puts the next fill off, but no further than maxDefer from when it was put
// off first.
func (p *Pool) deferFill() {
	if p.since.IsZero() {
		p.since = time.Now()
	}
	p.refill.Reset(min(refillDelay, max(0, maxDefer-time.Since(p.since))))
}

// fill starts one more if one is missing.
func (p *Pool) fill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Time{}
	if !p.closed && p.missing() {
		p.coming++
		go p.add()
	}
}

func (p *Pool) missing() bool { return len(p.ready)+p.coming < p.demand.want }

// thinOut lets some go: there has been no wave for a while.
func (p *Pool) thinOut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && p.demand.shrink() {
		p.thin.Reset(fade)
	}
	for len(p.ready) > p.demand.want {
		p.pop().Close()
	}
}

// add starts a warm shim and waits until it is ready.
func (p *Pool) add() {
	w, err := p.start()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.coming--
	switch {
	case err != nil:
		p.warnLocked(fmt.Errorf("no shim could be started beforehand: %w", err))
	case p.closed || len(p.ready) >= p.demand.want: // fewer are wanted meanwhile
		w.Close()
	default:
		p.ready = append(p.ready, w)
		p.fillOn()
	}
}

// fillOn starts the next that is missing: while nobody asks, as soon as the last one is ready.
func (p *Pool) fillOn() {
	switch {
	case !p.missing():
	case p.since.IsZero():
		p.refill.Reset(0)
	default:
		p.refill.Reset(refillDelay)
	}
}

func (p *Pool) start() (*Warm, error) {
	if err := fault.Point("warm.start"); err != nil {
		return nil, err
	}
	ours, its, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer its.Close()
	cmd := &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        append([]string{"containerd-shim-tango-v2", WarmAction}, p.Config.args()...),
		Dir:         "/",
		Env:         append(os.Environ(), Procs),
		ExtraFiles:  p.Inherited(its),
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	bornIn(cmd, p.cgroup.shims)
	if err := p.reaper.start(cmd); err != nil {
		_ = ours.Close()
		return nil, err
	}
	w := &Warm{Pid: cmd.Process.Pid, conn: ours, reaper: p.reaper}
	w.setNice(maxNice)
	_ = cmd.Process.Release()
	if err := w.await(startTimeout); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// enlargePages does so for what containers start from.
func (p *Pool) enlargePages() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.init == nil {
		return nil
	}
	return sealed.EnlargePages(p.init)
}

// Execute starts a shim that nobody needs to wait for, to serve the socket at a path.
func (p *Pool) Execute(cmd *exec.Cmd, socket string) error {
	bornIn(cmd, p.cgroup.shims)
	if err := p.reaper.start(cmd); err != nil {
		return err
	}
	p.reaper.serves(cmd.Process.Pid, socketAt(socket))
	return nil
}

// Inherited are a shim's descriptors from 3 on: its socket, and what initexe.FD says.
func (p *Pool) Inherited(socket *os.File) []*os.File {
	if p.init == nil {
		return []*os.File{socket}
	}
	return []*os.File{socket, p.init}
}

// close lets go of those that nobody has taken: they end.
func (p *Pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.refill.Stop()
	p.thin.Stop()
	for _, w := range p.ready {
		w.Close()
	}
	p.ready = nil
	p.unlist()
	if p.init != nil {
		_ = p.init.Close()
	}
}

// warn logs the first trouble of its kind, not every one.
func (p *Pool) warn(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.warnLocked(err)
}

func (p *Pool) warnLocked(err error) {
	if !p.warned {
		log.L.WithError(err).Warn("host service: further trouble like this is not logged")
	}
	p.warned = true
}

// Procs is the environment variable that bounds a shim's parallelism as long as it
// has little to do: see bootstrap's beFrugal.
const Procs = "GOMAXPROCS=1"

func socketpair() (ours *net.UnixConn, its *os.File, _ error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	its = os.NewFile(uintptr(fds[1]), "warm")
	f := os.NewFile(uintptr(fds[0]), "pool")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		_ = its.Close()
		return nil, nil, err
	}
	return c.(*net.UnixConn), its, nil
}
