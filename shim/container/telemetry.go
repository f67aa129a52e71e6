package container

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/log"

	"tango/mounts/kernel"
	"tango/shim/rollout"
	"tango/shim/telemetry"
)

// armLabel is the label, in libcontainer's state and so an annotation in what hooks
// are told, that carries the container's arm.
const armLabel = "io.tango.arm"

// observe begins the record of an operation of the container.
func (c *Container) observe(ctx context.Context, op string) *telemetry.Recorder {
	arm := c.arm
	if arm.Arm == "" {
		arm.Arm = "none" // before the spec is read
	}
	return c.rt.sender.Begin(telemetry.Record{
		Op: op, Arm: arm.Arm, Base: arm.Base, ArmWhy: arm.Why, Guard: c.opts.Rollout.Guard, Way: c.way,
		Namespace: c.Namespace, Pod: c.pod, Container: c.ID, Trace: telemetry.TraceOf(ctx),
	})
}

// observed completes the record of an operation.
func (c *Container) observed(rec *telemetry.Recorder, err error) {
	for name, n := range c.rt.calls.take() {
		rec.Count(name, n)
	}
	rec.Edit(func(r *telemetry.Record) { r.Gauges = c.rt.gauges() })
	rec.End(err, failureOf(err))
}

// decide settles the arm of the rollout that the container is in. What is switched
// off on this node is looked up each time: that has to work at once.
func (c *Container) decide(annotations map[string]string) {
	state, err := rollout.LoadState(c.rt.shared.RunDir)
	if err != nil {
		log.L.WithError(err).Warn("containers stay in the arms that the configuration says")
	}
	c.pod = rollout.Pod(annotations, c.ID)
	c.arm = c.opts.Rollout.Assign(c.pod, state)
	c.rec.Edit(func(r *telemetry.Record) {
		r.Arm, r.Base, r.ArmWhy, r.Pod = c.arm.Arm, c.arm.Base, c.arm.Why, c.pod
	})
	if c.arm.Why != rollout.WhyDefault {
		log.L.WithField("id", c.ID).WithField("pod", c.pod).WithField("arm", c.arm.Arm).WithField("why", c.arm.Why).
			Info("container is in an arm of the rollout")
	}
}

// rootfsWay is how the container's root filesystem is to be made.
func (c *Container) rootfsWay() string {
	if way := c.arm.Way(); way != "" {
		return way
	}
	return c.opts.Way
}

// settleWay notes how it was made.
func (c *Container) settleWay(way string) {
	c.way = way
	c.rec.Edit(func(r *telemetry.Record) { r.Way = way })
}

// failureOf classes what isn't the runtime's fault; "" leaves it to the phase that
// failed. Of what happened in the container's first steps libcontainer has the text
// only.
func failureOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return telemetry.ResultCanceled
	case strings.Contains(err.Error(), `exec: "`), strings.Contains(err.Error(), "chdir to cwd"):
		return telemetry.ResultCommand
	}
	return ""
}

// gauges are what the shim holds.
func (r *Runtime) gauges() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := map[string]int64{}
	if r.rootfs != nil {
		s := r.rootfs.Stats()
		g["layer_mounts"], g["layer_mount_users"] = int64(s.Groups), int64(s.GroupUsers)
		g["mappings"], g["ungrouped_layers"] = int64(s.Mappings), int64(s.Ungrouped)
	}
	return g
}

// mountCalls counts this process's own mount calls since they were last taken. Of
// containers that are made at the same time in one shim, one gets the calls of both.
type mountCalls struct{ byOp sync.Map } // name -> *mountCall

type mountCall struct{ n, took atomic.Int64 }

// observe has the kernel package tell this process's calls.
func (m *mountCalls) observe() {
	kernel.Observe(func(op string, took time.Duration, _ error) {
		call, known := m.byOp.Load(op)
		if !known {
			call, _ = m.byOp.LoadOrStore(op, new(mountCall))
		}
		call.(*mountCall).n.Add(1)
		call.(*mountCall).took.Add(int64(took))
	})
}

// take returns calls as "calls.NAME" and the nanoseconds in them as "ns.NAME".
func (m *mountCalls) take() map[string]int64 {
	counts := map[string]int64{}
	m.byOp.Range(func(op, call any) bool {
		if n := call.(*mountCall).n.Swap(0); n > 0 {
			counts["calls."+op.(string)] = n
			counts["ns."+op.(string)] = call.(*mountCall).took.Swap(0)
		}
		return true
	})
	return counts
}

// stockTarget is where stock behaviour mounts the root filesystem.
func (c *Container) stockTarget() string { return filepath.Join(c.Bundle, "rootfs") }
