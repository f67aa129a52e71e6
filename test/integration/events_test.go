package integration

import (
	"slices"
	"syscall"
	"testing"

	"tango/test/harness"
)

// TestEventOrder wants every event once and in the order of what happened.
func TestEventOrder(t *testing.T) {
	h := newNode(t)
	seen := h.Record()
	c := h.Run(harness.Spec{})
	if code := h.Finish(h.Exec(c, harness.ExecSpec{ID: "one", Args: sh("exit 9")})); code != 9 {
		t.Errorf("exit code %d, want 9", code)
	}
	if err := c.Task.Pause(h.Ctx()); err != nil {
		t.Fatal(err)
	}
	if err := c.Task.Resume(h.Ctx()); err != nil {
		t.Fatal(err)
	}
	h.Kill(c, syscall.SIGKILL)
	h.Wait(c)
	awaitStockExit(t, h, seen, c)
	h.Delete(c)
	expectTopics(t, h, seen, c,
		"/tasks/create", "/tasks/start", "/tasks/exec-added", "/tasks/exec-started", "/tasks/exit",
		"/tasks/paused", "/tasks/resumed", "/tasks/exit", "/tasks/delete")
	for _, e := range seen.Of(c.ID()) {
		checkEvent(t, c, e)
	}
}

func checkEvent(t *testing.T, c *harness.Container, e harness.Event) {
	t.Helper()
	switch e.Topic {
	case "/tasks/create", "/tasks/start", "/tasks/exec-started", "/tasks/exit", "/tasks/delete":
		if e.PID == 0 {
			t.Errorf("%s without a pid", e.Topic)
		}
	}
	if e.Topic != "/tasks/exit" {
		return
	}
	want := map[string]uint32{"one": 9, c.ID(): 137}
	if code, known := want[e.Exec]; !known || code != e.Status {
		t.Errorf("exit of %q with status %d, want one of %v", e.Exec, e.Status, want)
	}
}

// TestEventOrderShortLived repeats what races easily: a process that ends at
// once must not exit before it has started.
func TestEventOrderShortLived(t *testing.T) {
	h := newNode(t)
	seen := h.Record()
	for range 10 {
		c := h.Run(harness.Spec{Args: []string{"true"}})
		if code := h.Wait(c); code != 0 {
			t.Errorf("exit code %d", code)
		}
		awaitStockExit(t, h, seen, c)
		h.Delete(c)
		expectTopics(t, h, seen, c, "/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete")
	}
	c := h.Run(harness.Spec{})
	want := []string{"/tasks/exec-added", "/tasks/exec-started", "/tasks/exit"}
	for range 10 {
		e := h.Exec(c, harness.ExecSpec{})
		h.Finish(e)
		var got []string
		h.Eventually("its exit arrives", func() bool {
			got = nil
			for _, event := range seen.Of(c.ID()) {
				if event.Exec == e.ID() {
					got = append(got, event.Topic)
				}
			}
			return slices.Contains(got, "/tasks/exit")
		})
		if !slices.Equal(got, want) {
			t.Errorf("topics %v, want %v", got, want)
		}
	}
}

// awaitStockExit waits for the exit event of the stock shim, which can otherwise
// publish it after the delete.
func awaitStockExit(t *testing.T, h *harness.Harness, seen *harness.Events, c *harness.Container) {
	t.Helper()
	if harness.Runtime(t) != harness.Stock {
		return
	}
	h.Eventually("the exit event arrives", func() bool {
		return slices.ContainsFunc(seen.Of(c.ID()), func(e harness.Event) bool { return e.Topic == "/tasks/exit" && e.Exec == c.ID() })
	})
}

// expectTopics waits for the last event of a deleted container and compares all
// of them. The stock shim may end before it has sent the last one, the delete.
func expectTopics(t *testing.T, h *harness.Harness, seen *harness.Events, c *harness.Container, want ...string) {
	t.Helper()
	least := len(want)
	if harness.Runtime(t) == harness.Stock {
		least--
	}
	defer func() {
		if t.Failed() {
			t.Logf("events so far: %v", seen.Topics(c.ID()))
		}
	}()
	h.Eventually("the last event arrives", func() bool { return len(seen.Topics(c.ID())) >= least })
	if got := seen.Topics(c.ID()); !slices.Equal(got, want[:min(len(got), len(want))]) {
		t.Errorf("topics\n%v, want\n%v", got, want)
	}
}
