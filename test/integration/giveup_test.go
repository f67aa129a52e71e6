package integration

import (
	"context"
	"testing"
	"time"

	containerd "github.com/containerd/containerd/v2/client"

	"tango/test/harness"
)

// TestCreateGivenUp has the client of a create give it up at every moment, as a ctr
// does that is killed: nothing may be left, whatever containerd was waiting for.
func TestCreateGivenUp(t *testing.T) {
	if harness.Runtime(t) != harness.Tango {
		t.Skip("NOT TESTED with the stock runtime, which leaves cgroups behind")
	}
	h := newNode(t)
	member := map[string]string{sandboxAnnotation: "sandbox"}
	sandbox := h.Run(harness.Spec{ID: "sandbox", Annotations: member})
	for name, spec := range map[string]harness.Spec{"alone": {}, "in a pod": {Annotations: member}} {
		given := 0
		for after := time.Duration(0); after < 80*time.Millisecond; after += 2 * time.Millisecond {
			if giveUp(t, h, spec, after) {
				given++
			}
		}
		if given == 0 {
			t.Errorf("%s: no create took long enough to be given up", name)
		}
	}
	expectOutput(t, h, sandbox, "alive", "echo", "alive")
	h.Delete(sandbox)
	h.CheckLeaks()
}

// giveUp creates a task, waits for it for some time only, and tells whether that was
// too short.
func giveUp(t *testing.T, h *harness.Harness, s harness.Spec, after time.Duration) bool {
	t.Helper()
	c, err := h.New(h.Ctx(), s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(h.Ctx(), after)
	defer cancel()
	given := c.CreateTask(ctx) != nil
	h.Eventually("what came of it can be deleted", func() bool {
		if task, err := c.Container.Task(h.Ctx(), nil); err == nil { // containerd went on
			_, _ = task.Delete(h.Ctx(), containerd.WithProcessKill)
		}
		return c.Delete(h.Ctx()) == nil
	})
	return given
}
