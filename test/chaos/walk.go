package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"

	"tango/test/harness"
)

// trial is one fault to be tried.
type trial struct {
	point    point
	kind     string
	scenario scenario
}

func (t trial) String() string {
	return fmt.Sprintf("%s at %s (%s)", t.kind, t.point.name, t.scenario.name)
}

// walk lets every point go wrong in every way, one at a time.
func walk(ctx context.Context, s settings, l *lab, points []point, result *tally) error {
	reached, err := explore(ctx, l.benches[0], points)
	if err != nil {
		return err
	}
	trials := plan(s, points, reached, result)
	fmt.Printf("walking: %d points, %d faults\n", len(points), len(trials))
	queue := make(chan trial)
	var done sync.WaitGroup
	for _, b := range l.benches {
		done.Go(func() {
			for t := range queue {
				b.try(ctx, t, result)
			}
		})
	}
	for _, t := range trials {
		if ctx.Err() != nil || result.tooBad() {
			break
		}
		queue <- t
	}
	close(queue)
	done.Wait()
	return ctx.Err()
}

// explore leads every scenario through its life without a fault, and returns which
// points it passes. A scenario that fails here proves nothing later.
func explore(ctx context.Context, b *bench, points []point) (map[string]scenario, error) {
	reached := make(map[string]scenario)
	note := func(s scenario) {
		for name := range b.control.names("seen") {
			if _, ok := reached[name]; !ok {
				reached[name] = s
			}
		}
	}
	for _, s := range scenarios {
		if err := b.rehearse(ctx, s); err != nil {
			return nil, err
		}
		note(s)
	}
	// What comes only when a shim is lost.
	if err := b.control.arm("start.announced", kill, ""); err != nil {
		return nil, err
	}
	b.live(ctx, scenarios[0].spec(b))
	b.prove(ctx)
	b.control.collect()
	note(lostShim)
	// What comes only when a shim that was started beforehand is ready in time.
	for range handfuls {
		if len(reached) >= len(points) {
			break
		}
		if err := b.rehearse(ctx, scenarios[0]); err != nil {
			return nil, err
		}
		note(scenarios[0])
	}
	return reached, nil
}

// handfuls is how many containers may be needed until one passes a point of the host
// service, which is started by one container, asked by the next, and has a shim that
// was started beforehand for a later one.
const handfuls = 10

// rehearse leads a scenario through its life without a fault.
func (b *bench) rehearse(ctx context.Context, s scenario) error {
	l := b.live(ctx, s.spec(b))
	wrong := append(append(l.wrong, b.prove(ctx)...), b.judge(ctx, l, false)...)
	if len(wrong) > 0 || s.fails != (len(l.errs) > 0) {
		return fmt.Errorf("without any fault (%s): %v %q\n%s", s.name, l.errs, wrong, b.LogTail(30))
	}
	return nil
}

// lostShim is a plain container whose shim is lost before the fault comes.
var lostShim = scenario{name: "lost shim", spec: func(*bench) harness.Spec { return harness.Spec{} }}

// plan lists the trials; in a short run each point gets one way.
func plan(s settings, points []point, reached map[string]scenario, result *tally) (trials []trial) {
	random := rand.New(rand.NewPCG(s.seed, 0)) //nolint:gosec // to be repeated, not to be secret
	for _, p := range points {
		at, ok := reached[p.name]
		if !ok {
			result.unreached = append(result.unreached, p.name)
			continue
		}
		kinds := p.kinds()
		if s.short {
			kinds = []string{kinds[random.IntN(len(kinds))]}
		}
		for _, kind := range kinds {
			if strings.Contains(p.name, s.only) {
				trials = append(trials, trial{p, kind, at})
			}
		}
	}
	return trials
}

// try lets one thing go wrong and proves that it did no harm.
func (b *bench) try(ctx context.Context, t trial, result *tally) {
	killed := t.kind == kill
	if t.scenario.name == lostShim.name {
		killed = true
		_ = b.control.arm("start.announced", kill, "")
	}
	if passedOnce(t.point.name) {
		b.startAfresh()
	}
	if err := b.control.arm(t.point.name, t.kind, ""); err != nil {
		result.bad(b, t, []string{err.Error()}, nil)
		return
	}
	var wrong []string
	var answers []error
	var struck []strike
	for range t.lives() {
		l := b.live(ctx, t.scenario.spec(b))
		wrong = append(append(wrong, l.wrong...), b.judge(ctx, l, killed)...)
		wrong = append(wrong, b.prove(ctx)...)
		answers = append(answers, l.errs...)
		if struck = append(struck, b.control.collect()...); hit(struck, t) {
			break
		}
	}
	b.control.disarm()
	if ctx.Err() != nil {
		return
	}
	if !hit(struck, t) {
		wrong = append(wrong, "the fault never came")
	}
	result.add(struck)
	if len(wrong) > 0 {
		result.bad(b, t, wrong, answers)
	}
}

// ofService begin the names of points that are passed by the host service, or on the
// way to it.
var ofService = []string{"host", "relay", "service", "warm"}

// passedOnce tells whether the host service passes a point once in its life.
func passedOnce(name string) bool {
	return strings.HasPrefix(name, "template.") || strings.HasPrefix(name, "service.")
}

// lives is how many containers may be needed until one passes the point.
func (t trial) lives() int {
	if slices.Contains(ofService, strings.Split(t.point.name, ".")[0]) {
		return handfuls
	}
	return 1
}

// startAfresh kills what keeps anything from one container to the next. None may
// be there.
func (b *bench) startAfresh() {
	all, _ := b.Processes()
	for _, p := range all {
		_ = syscall.Kill(p.PID, syscall.SIGKILL)
	}
}

func hit(struck []strike, t trial) bool {
	for _, s := range struck {
		if s.point == t.point.name {
			return true
		}
	}
	return false
}
