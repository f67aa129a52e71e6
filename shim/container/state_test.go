package container

import (
	"testing"

	"github.com/containerd/errdefs"
)

// Every state with every operation; what isn't listed is allowed. The words are
// those of containerd's runc shim (process/*_state.go), which clients may read.
func TestRefusals(t *testing.T) {
	want := map[operation]map[State]string{
		opStart: {
			Running: "cannot start a running process", Paused: "cannot start a paused process",
			Stopped: "cannot start a stopped process", Deleted: "cannot start a deleted process",
		},
		opDelete: {
			Running: "cannot delete a running process", Paused: "cannot delete a paused process",
			Deleted: "cannot delete a deleted process: not found",
		},
		opPause: {
			Created: "cannot pause task in created state", Restorable: "cannot pause task in created state",
			Paused: "cannot pause a paused container", Stopped: "cannot pause a stopped container",
			Deleted: "cannot pause a deleted process",
		},
		opResume: {
			Created: "cannot resume task in created state", Restorable: "cannot resume task in created state",
			Running: "cannot resume a running process", Stopped: "cannot resume a stopped container",
			Deleted: "cannot resume a deleted process",
		},
		opUpdate: {Stopped: "cannot update a stopped container", Deleted: "cannot update a deleted process"},
		opCheckpoint: {
			Created: "cannot checkpoint a task in created state", Restorable: "cannot checkpoint a task in created state",
			Stopped: "cannot checkpoint a stopped container", Deleted: "cannot checkpoint a deleted process",
		},
		opExec: {
			Restorable: "cannot exec in a created state", Paused: "cannot exec in a paused state",
			Stopped: "cannot exec in a stopped state", Deleted: "cannot exec in a deleted state",
		},
	}
	for op := opStart; op <= opExec; op++ {
		for state := Created; state <= Deleted; state++ {
			got := ""
			if err := state.allows(op); err != nil {
				got = err.Error()
			}
			if got != want[op][state] {
				t.Errorf("operation %d in state %d: %q, want %q", op, state, got, want[op][state])
			}
		}
	}
}

// A client that deletes twice learns from the code that there is nothing left.
func TestDeletedIsNotFound(t *testing.T) {
	if err := Deleted.allows(opDelete); !errdefs.IsNotFound(err) {
		t.Errorf("%v is no ErrNotFound", err)
	}
}
