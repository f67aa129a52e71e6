package rollout

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tango/shim/rollout"
	"tango/shim/telemetry"
	"tango/test/harness"
)

const (
	controlOnly = `rollout = { percent = 100, arms = ["control", "tango"] }`
	tangoOnly   = `rollout = { percent = 100 }`
)

// The control arm must behave as the stock shim does, and give everything back.
func TestControlArm(t *testing.T) {
	h := newHost(t)
	image := h.Image(60) // the options of that many layers don't fit one page as they are
	for name, mapping := range map[string]*harness.UserNS{"plain": nil, "userns": harness.NthUserNS(3)} {
		t.Run(name, func(t *testing.T) {
			c := h.Run(harness.Spec{Image: image, UserNS: mapping, Options: h.options(controlOnly)})
			if !h.onHost(c.ID()) {
				t.Error("the root filesystem is not mounted on the host")
			}
			h.Output(c, "sh", "-c", "echo new > /new && test -s /new && test -d /proc/1")
			r := h.record(telemetry.OpCreate, c.ID())
			if r.Arm != rollout.Control || r.Way != "stock" || r.ArmWhy != rollout.WhyHash || !r.OK() || r.Counts["layers"] != 60 {
				t.Errorf("%+v", r)
			}
			if hasPhase(r, "template") {
				t.Error("the control arm has used the template")
			}
			h.Delete(c)
			if h.onHost(c.ID()) {
				t.Error("the root filesystem stays mounted")
			}
			if r := h.record(telemetry.OpDelete, c.ID()); r.Arm != rollout.Control {
				t.Errorf("%+v", r)
			}
		})
	}
}

func hasPhase(r telemetry.Record, name string) bool {
	return slices.ContainsFunc(r.Phases, func(p telemetry.Phase) bool { return p.Name == name })
}

func TestTangoArm(t *testing.T) {
	h := newHost(t)
	c := h.Run(harness.Spec{Options: h.options(tangoOnly)})
	if h.onHost(c.ID()) {
		t.Error("the root filesystem is mounted on the host")
	}
	r := h.record(telemetry.OpCreate, c.ID())
	for _, phase := range []string{"spec", "rootfs", "streams", "place", "template", "attach", "init"} {
		if !hasPhase(r, phase) {
			t.Errorf("no phase %q in %+v", phase, r.Phases)
		}
	}
	if r.Arm != rollout.Tango || !r.OK() || r.Namespace != harness.Namespace || r.Shim == 0 || r.Counts["calls.mount"] == 0 {
		t.Errorf("%+v", r)
	}
	if r := h.record(telemetry.OpStart, c.ID()); !r.OK() || !hasPhase(r, "release") {
		t.Errorf("%+v", r)
	}
	h.Output(c, "true")
	if r := h.record(telemetry.OpExec, c.ID()); !r.OK() || r.Exec == "" || !hasPhase(r, "init") {
		t.Errorf("%+v", r)
	}
}

// A lost shim of the control arm leaves a mount on the host, which is to be found.
func TestControlArmOfALostShim(t *testing.T) {
	h := newHost(t)
	c := h.Run(harness.Spec{Options: h.options(controlOnly)})
	shim := h.record(telemetry.OpCreate, c.ID()).Shim
	if err := syscall.Kill(shim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.Eventually("containerd has cleaned up", func() bool { return !h.onHost(c.ID()) && c.Delete(h.Ctx()) == nil })
}

// Every container of a pod is in the pod's arm, whatever the sandbox is called.
func TestPodsStayTogether(t *testing.T) {
	h := newHost(t)
	config := rollout.Config{Active: true, Percent: 50, Seed: "test"}
	options := h.options(`rollout = { percent = 50, seed = "test" }`)
	seen := map[string]int{}
	for pod := range 4 {
		uid := fmt.Sprintf("1b4e28ba-2fa1-11d2-883f-%012d", pod)
		want := config.Assign(uid, rollout.State{}).Arm
		for i := range 2 {
			c := h.Run(harness.Spec{Options: options, Annotations: map[string]string{
				"io.kubernetes.cri.sandbox-uid": uid, "io.kubernetes.cri.sandbox-name": fmt.Sprint("sandbox", i),
			}})
			r := h.record(telemetry.OpCreate, c.ID())
			if r.Arm != want || r.Pod != uid {
				t.Errorf("container %d of pod %s is in arm %s, want %s", i, r.Pod, r.Arm, want)
			}
			seen[r.Arm]++
		}
	}
	if len(seen) != 2 {
		t.Errorf("the test's pods are in %v: it wants both arms", seen)
	}
}

// Switching off works on the next create, of a shim that runs already too.
func TestSwitchingOff(t *testing.T) {
	h := newHost(t)
	arm := func() string {
		c := h.Run(harness.Spec{Options: h.options(tangoOnly)})
		defer h.Delete(c)
		return h.record(telemetry.OpCreate, c.ID()).Arm
	}
	before := arm()
	out := h.fine("ab", "disable", "--why", "a test")
	off := arm()
	status, code := h.run("ab", "status")
	ps := h.fine("ps")
	h.fine("ab", "enable")
	if after := arm(); before != rollout.Tango || off != rollout.Control || after != rollout.Tango {
		t.Errorf("arms %s, %s, %s", before, off, after)
	}
	if code != 3 || !strings.Contains(status, "SWITCHED OFF by hand") || !strings.Contains(status, "a test") || !strings.Contains(ps, "SWITCHED OFF") || !strings.Contains(out, "is disabled") {
		t.Errorf("exit code %d\n%s\n%s\n%s", code, out, status, ps)
	}
}

// What the container's image lacks is not the runtime's fault; a mount that can't
// be made is.
func TestFailuresAreClassed(t *testing.T) {
	h := newHost(t)
	fail := func(s harness.Spec) telemetry.Record {
		t.Helper()
		s.Options = h.options(tangoOnly)
		return h.failToCreate(s)
	}
	if r := fail(harness.Spec{Args: []string{"/nonsense"}}); r.Result != telemetry.ResultCommand || r.Blames() {
		t.Errorf("%+v", r)
	}
	r := fail(harness.Spec{OCI: missingSource()})
	if r.OK() || !r.Blames() || !strings.Contains(r.Error, "/nonsense") {
		t.Errorf("%+v", r)
	}
}

// failToCreate wants a create to fail, and returns its record.
func (h *host) failToCreate(s harness.Spec) telemetry.Record {
	h.t.Helper()
	c, err := h.New(h.Ctx(), s)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := c.CreateTask(h.Ctx()); err == nil {
		h.t.Fatal("created")
	}
	r := h.record(telemetry.OpCreate, c.ID())
	if err := c.Delete(h.Ctx()); err != nil {
		h.t.Error(err)
	}
	return r
}

// An arm whose pods fail switches itself off, and its next pod runs in the other one.
func TestGuard(t *testing.T) {
	h := newHost(t)
	config := rollout.Config{Active: true, Percent: 50, Seed: "test"}
	spec := func(pod int) (s harness.Spec, arm string) {
		uid := fmt.Sprintf("1b4e28ba-2fa1-11d2-883f-%012d", pod)
		s.Options = h.options(`rollout = { percent = 50, seed = "test" }`)
		s.Annotations = map[string]string{"io.kubernetes.cri.sandbox-uid": uid}
		return s, config.Assign(uid, rollout.State{}).Arm
	}
	const pods = 200
	off := false
	for pod := 0; pod < pods && !off; pod++ {
		s, arm := spec(pod)
		if arm != rollout.Tango {
			h.Delete(h.Run(s))
			continue
		}
		s.OCI = missingSource()
		off = h.failToCreate(s).Arm != rollout.Tango
	}
	status, code := h.run("ab", "status")
	if !off || code != 3 || !strings.Contains(status, "SWITCHED OFF by guard") {
		t.Fatalf("exit code %d, after %d pods:\n%s", code, pods, status)
	}
	if text := h.fine("ps"); !strings.Contains(text, "SWITCHED OFF by guard") {
		t.Error(text)
	}
	if s := decodeJSON[telemetry.Snapshot](t, h.fine("stats", "--json")); s.Rollout.Disabled[rollout.Tango].By != rollout.ByGuard {
		t.Errorf("%+v", s.Rollout)
	}
	for pod := pods; ; pod++ {
		s, arm := spec(pod)
		if arm != rollout.Tango {
			continue
		}
		if r := h.record(telemetry.OpCreate, h.Run(s).ID()); r.Arm != rollout.Control || r.ArmWhy != rollout.WhyDisabled {
			t.Errorf("%+v", r)
		}
		return
	}
}
