package integration

import (
	"testing"

	"tango/test/harness"
)

// TestTimerSlack wants a container's processes as late as containerd, whatever the shim
// allows its own threads. containerd has what this process has.
func TestTimerSlack(t *testing.T) {
	h := newNode(t)
	want := readProc(t, h.DaemonPID(), "timerslack_ns")
	c := h.Run(harness.Spec{})
	if got := readProc(t, int(c.Task.Pid()), "timerslack_ns"); got != want {
		t.Errorf("the first process may be %s ns late, containerd %s", got, want)
	}
	expectOutput(t, h, c, want, "cat", "/proc/self/timerslack_ns")
}
