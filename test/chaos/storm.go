package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/containerd/v2/core/leases"

	"tango/test/harness"
)

const (
	crowd      = 12 // containers of a storm
	atOnce     = 4  // of them live at the same time, on each node
	armedAtOne = 20 // faults that wait for them
)

// podAnnotation puts containers of the same value into one shim.
const podAnnotation = "io.containerd.runc.v2.group"

// squall is one storm on one node.
type squall struct {
	number int
	random *rand.Rand
}

func (q squall) String() string { return fmt.Sprintf("storm %d", q.number) }

// storm has bursts of containers run into faults until there were enough.
func storm(ctx context.Context, s settings, l *lab, points []point, result *tally) error {
	fmt.Println("storms: faults at random in running bursts")
	var numbers sync.Mutex
	next := 0
	var done sync.WaitGroup
	for _, b := range l.benches {
		done.Go(func() {
			for ctx.Err() == nil && result.faults() < s.faults && !result.tooBad() {
				numbers.Lock()
				next++
				q := squall{next, rand.New(rand.NewPCG(s.seed, uint64(next)))} //nolint:gosec // to be repeated, not to be secret
				numbers.Unlock()
				b.weather(ctx, q, points, result)
			}
		})
	}
	done.Wait()
	return ctx.Err()
}

// weather is one storm: faults wait at random points while containers live; a
// process may be killed on top of that. Then all must be gone.
func (b *bench) weather(ctx context.Context, q squall, points []point, result *tally) {
	victim := victims[q.random.IntN(len(victims))]
	delay := time.Duration(q.random.IntN(1500)) * time.Millisecond
	if err := b.brew(q, victim, points); err != nil {
		result.bad(b, q, []string{err.Error()}, nil)
		return
	}
	lives := make(chan *life, crowd)
	go b.populate(ctx, q, lives)
	time.Sleep(delay)
	wrong := b.hit(victim, q.random, result)
	var all []*life
	for l := range lives {
		all = append(all, l)
	}
	b.control.disarm()
	result.addLives(len(all))
	wrong = append(wrong, b.aftermath(ctx, victim, all)...)
	struck := b.control.collect()
	result.add(struck)
	if len(wrong) > 0 && ctx.Err() == nil {
		result.bad(b, q, append(wrong, fmt.Sprintf("after %v %q", struck, victim)), nil)
	}
}

// brew arms the faults of a storm.
//
// What a lost shim leaves is taken away by the host service or, if that dies, by the
// process that asked it. Who kills both has killed the `delete`, and containerd asks
// nobody else (docs/reliability.md): so of those who can one dies in a storm.
func (b *bench) brew(q squall, victim string, points []point) error {
	spared := victim == theService
	var errs []error
	for range armedAtOne {
		p := points[q.random.IntN(len(points))]
		kinds := p.kinds()
		kind := kinds[q.random.IntN(len(kinds))]
		if kind == kill && !p.ofShim() {
			if spared {
				kind = late
			}
			spared = true
		}
		errs = append(errs, b.control.arm(p.name, kind, strconv.Itoa(q.random.IntN(atOnce))))
	}
	b.orphans = victim == someShim && spared
	return errors.Join(errs...)
}

// populate leads containers through their lives, some at a time. Half of them
// share shims.
func (b *bench) populate(ctx context.Context, q squall, lives chan<- *life) {
	defer close(lives)
	slots := make(chan struct{}, atOnce)
	var done sync.WaitGroup
	for i := range crowd {
		spec := scenarios[(q.number+i)%len(scenarios)].spec(b)
		spec.ID = fmt.Sprintf("s%dc%d", q.number, i)
		if i%2 == 0 && i < crowd-2 {
			spec.Annotations = map[string]string{podAnnotation: fmt.Sprintf("s%dpod", q.number)}
		}
		slots <- struct{}{}
		done.Go(func() {
			defer func() { <-slots }()
			lives <- b.live(ctx, spec)
		})
	}
	done.Wait()
}

// What is killed from outside in a storm.
const (
	nothing    = ""
	someShim   = "kill -9 of a shim"
	theService = "kill -9 of the service"
	theDaemon  = "kill -9 of containerd"
)

var victims = []string{nothing, nothing, someShim, theService, theDaemon}

// hit kills the victim.
func (b *bench) hit(victim string, random *rand.Rand, result *tally) []string {
	var among []harness.Process
	var err error
	switch victim {
	case nothing:
		return nil
	case theDaemon:
		result.addKill(victim)
		b.down.Store(true)
		return problem(syscall.Kill(b.DaemonPID(), syscall.SIGKILL))
	case someShim:
		among, err = b.Shims()
		among = slices.DeleteFunc(among, isAction)
	case theService:
		among, err = b.services()
	}
	if err != nil {
		return problem(err)
	}
	if len(among) > 0 && syscall.Kill(among[random.IntN(len(among))].PID, syscall.SIGKILL) == nil {
		result.addKill(victim)
	}
	return nil
}

// isAction tells whether a process is one that containerd has started for a shim.
func isAction(p harness.Process) bool {
	return strings.HasSuffix(p.Command, " start") || strings.HasSuffix(p.Command, " delete")
}

// services are the node's processes that serve all of its shims.
func (b *bench) services() (found []harness.Process, _ error) {
	all, err := b.Processes()
	for _, p := range all {
		args := strings.Fields(p.Command)
		if len(args) > 1 && strings.HasPrefix(args[0], "containerd-shim-tango-v2") && (args[1] == "keep" || args[1] == "service") {
			found = append(found, p)
		}
	}
	return found, err
}

// aftermath brings containerd back, takes away what lives, and returns what is
// wrong then.
func (b *bench) aftermath(ctx context.Context, victim string, all []*life) (wrong []string) {
	if victim == theDaemon {
		if err := b.revive(ctx); err != nil {
			return []string{"containerd does not come back: " + err.Error()}
		}
	}
	if err := b.purge(ctx); err != nil {
		wrong = append(wrong, "cannot delete everything: "+err.Error())
	}
	for _, l := range all {
		for _, w := range l.wrong {
			wrong = append(wrong, fmt.Sprintf("%s: %s: %v", l.id, w, l.errs))
		}
		if victim == theDaemon {
			continue // its subscriptions went with it
		}
		for _, w := range b.judge(ctx, l, true) {
			wrong = append(wrong, l.id+": "+w)
		}
	}
	return append(wrong, b.prove(ctx)...)
}

// revive starts containerd again after it was killed.
func (b *bench) revive(ctx context.Context) error {
	if err := b.Crash(); err != nil { // it is dead already; this waits for it
		return err
	}
	if err := errors.Join(b.removeHalfRemoved(), b.Boot(ctx)); err != nil {
		return err
	}
	b.down.Store(false)
	return errors.Join(b.dropLeases(ctx), b.listen(ctx))
}

// removeHalfRemoved ends what containerd was at when it was killed. It gives a bundle a
// hidden name before it removes it, and when it is started again leaves those alone
// (core/runtime/v2/bundle.go, shim_load.go): no shim is asked about them any more.
func (b *bench) removeHalfRemoved() error {
	var errs []error
	for _, dir := range []string{"state", "root"} {
		hidden, err := filepath.Glob(filepath.Join(b.Dir(), dir, "io.containerd.runtime.v2.task", harness.Namespace, ".*"))
		errs = append(errs, err)
		for _, path := range hidden {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

// dropLeases has containerd collect what its clients had begun to make when it was
// killed: they hold that by leases, which they couldn't give back.
func (b *bench) dropLeases(ctx context.Context) error {
	ctx = b.Context(ctx)
	manager := b.Client().LeasesService()
	all, err := manager.List(ctx)
	errs := []error{err}
	for _, l := range all {
		errs = append(errs, manager.Delete(ctx, l, leases.SynchronousDelete))
	}
	return errors.Join(errs...)
}

func problem(err error) []string {
	if err == nil {
		return nil
	}
	return []string{err.Error()}
}

// purge deletes everything; a shim that dies meanwhile makes that fail at times.
func (b *bench) purge(ctx context.Context) (err error) {
	deadline := time.Now().Add(time.Minute)
	for {
		if err = b.Purge(ctx); err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
