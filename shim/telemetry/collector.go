package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"os"
	"sync"
	"time"

	"github.com/containerd/log"

	"tango/shim/rollout"
)

// answerWithin is how long somebody who asked may take to read the answer.
const answerWithin = 5 * time.Second

// Source tells numbers of the collecting process itself, by names that are fit for
// metrics: of its queues and turns, for example. It must not block.
type Source func() map[string]float64

// Collector sums up what shims tell, and judges the arms of a rollout by it.
type Collector struct {
	runDir  string
	since   time.Time
	machine machine
	sources []Source
	tally   *tally
	store   *store
	guard   *rollout.Guard
	off     map[string]rollout.Switch // as last seen by judge
}

// Serve collects until ctx ends, which is no error. Where another process collects
// for the same run directory, it waits for that one's end first.
func Serve(ctx context.Context, runDir string, sources ...Source) error {
	held, err := lock(ctx, runDir)
	if err != nil {
		return ignoreDone(ctx, err)
	}
	defer held.Close()
	store, err := openStore(runDir, fileSize)
	if err != nil {
		return err
	}
	defer store.close()
	c := &Collector{
		runDir: runDir, since: time.Now(), machine: thisMachine(), sources: sources,
		tally: newTally(), store: store, guard: rollout.NewGuard(),
	}
	return ignoreDone(ctx, c.run(ctx))
}

func ignoreDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (c *Collector) run(ctx context.Context) error {
	datagrams, err := listenDatagrams(c.runDir)
	if err != nil {
		return err
	}
	stats, err := listenStats(c.runDir)
	if err != nil {
		_ = datagrams.Close()
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		_ = datagrams.Close()
		_ = stats.Close()
	})
	defer stop()
	answers := make(chan error, 1)
	go func() { answers <- c.answer(stats) }()
	err = c.collect(datagrams)
	_ = datagrams.Close()
	_ = stats.Close()
	return errors.Join(err, <-answers)
}

// collect reads datagrams until the socket is closed.
func (c *Collector) collect(conn *net.UnixConn) error {
	defer os.Remove(conn.LocalAddr().String())
	r := newReceiver(conn)
	for {
		data, err := r.next()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if errors.Is(err, errStranger) {
			c.tally.addBad()
			continue
		}
		if err != nil {
			return err
		}
		c.take(data)
	}
}

// take counts what one datagram says.
func (c *Collector) take(data []byte) {
	r, err := decode(data)
	if err != nil {
		c.tally.addBad()
		return
	}
	r.Node, r.Kernel, r.Hardware = c.machine.node, c.machine.kernel, c.machine.hardware
	c.judge(&r)
	c.tally.add(&r) // last of what a snapshot tells: who sees it counted sees it judged
	if err := c.store.append(&r); err != nil {
		c.tally.addLost()
	}
}

// judge feeds the guard, and switches the record's arm off if that is too bad.
func (c *Collector) judge(r *Record) {
	if (r.Op != OpCreate && r.Op != OpStart) || !rollout.IsArm(r.Arm) {
		return
	}
	c.forgetEnabled()
	c.guard.Note(rollout.Outcome{At: time.Now(), Arm: r.Arm, Pod: r.Pod, Failed: r.Blames()})
	if r.ArmWhy != rollout.WhyHash {
		return // no rollout that could be narrowed
	}
	why, bad := c.guard.Judge(r.Arm, r.Base, r.Guard)
	if !bad {
		return
	}
	entry := log.L.WithField("arm", r.Arm).WithField("why", why)
	changed, err := rollout.Disable(c.runDir, r.Arm, rollout.Switch{By: rollout.ByGuard, At: time.Now().UTC(), Why: why})
	if err != nil {
		entry.WithError(err).Error("an arm of the rollout fails too often, and could not be switched off")
		return
	}
	if c.off == nil {
		c.off = map[string]rollout.Switch{}
	}
	c.off[r.Arm] = rollout.Switch{} // so that being switched on again shows
	if changed {
		entry.Warn("an arm of the rollout fails too often: it is switched off on this node (tango ab enable switches it on again)")
	}
}

// forgetEnabled has an arm that was switched on again begin anew: by what it was
// switched off for it would be at once.
func (c *Collector) forgetEnabled() {
	s, err := rollout.LoadState(c.runDir)
	if err != nil {
		return
	}
	for arm := range c.off {
		if _, off := s.Disabled[arm]; !off {
			c.guard.Forget(arm)
		}
	}
	c.off = s.Disabled
}

// answer gives everybody who connects a snapshot, until the socket is closed.
func (c *Collector) answer(l *net.UnixListener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, 16)
	for {
		conn, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			// Out of descriptors, for example: it passes.
			time.Sleep(100 * time.Millisecond)
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			defer conn.Close()
			if peerIsOwn(conn) {
				_ = conn.SetDeadline(time.Now().Add(answerWithin))
				_ = json.NewEncoder(conn).Encode(c.Snapshot())
			}
		})
	}
}

// Snapshot is all that is known now.
func (c *Collector) Snapshot() Snapshot {
	s := c.tally.snapshot()
	s.Since = c.since
	s.Node, s.Kernel, s.Hardware = c.machine.node, c.machine.kernel, c.machine.hardware
	s.Gauges = map[string]float64{}
	for _, source := range c.sources {
		maps.Copy(s.Gauges, source())
	}
	s.Rollout.Rates = c.guard.Rates()
	state, err := rollout.LoadState(c.runDir)
	if err != nil {
		s.Rollout.Problem = err.Error()
	}
	s.Rollout.Disabled = state.Disabled
	return s
}
