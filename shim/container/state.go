package container

import (
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
)

// State is where a process stands in its life.
type State int

// The states of a process. An exec is never Restorable or Paused itself.
const (
	Created    State = iota
	Restorable       // created from a checkpoint: starting it restores it
	Running
	Pausing // only reported, while a pause is under way
	Paused
	Stopped
	Deleted
)

// operation is what is asked of a process.
type operation int

const (
	opStart operation = iota
	opDelete
	opPause
	opResume
	opUpdate
	opCheckpoint
	opExec
)

// refusals is the one table of what a container refuses in which state, in the
// words of containerd's runc shim. What isn't in it is allowed.
var refusals = map[operation]map[State]string{
	opStart: {
		Running: "cannot start a running process",
		Paused:  "cannot start a paused process",
		Stopped: "cannot start a stopped process",
		Deleted: "cannot start a deleted process",
	},
	opDelete: {
		Running: "cannot delete a running process",
		Paused:  "cannot delete a paused process",
		Deleted: "cannot delete a deleted process",
	},
	opPause: {
		Created:    "cannot pause task in created state",
		Restorable: "cannot pause task in created state",
		Paused:     "cannot pause a paused container",
		Stopped:    "cannot pause a stopped container",
		Deleted:    "cannot pause a deleted process",
	},
	opResume: {
		Created:    "cannot resume task in created state",
		Restorable: "cannot resume task in created state",
		Running:    "cannot resume a running process",
		Stopped:    "cannot resume a stopped container",
		Deleted:    "cannot resume a deleted process",
	},
	opUpdate: {
		Stopped: "cannot update a stopped container",
		Deleted: "cannot update a deleted process",
	},
	opCheckpoint: {
		Created:    "cannot checkpoint a task in created state",
		Restorable: "cannot checkpoint a task in created state",
		Stopped:    "cannot checkpoint a stopped container",
		Deleted:    "cannot checkpoint a deleted process",
	},
	opExec: {
		Restorable: "cannot exec in a created state",
		Paused:     "cannot exec in a paused state",
		Stopped:    "cannot exec in a stopped state",
		Deleted:    "cannot exec in a deleted state",
	},
}

// allows returns nil, or why op is refused in state s.
func (s State) allows(op operation) error {
	why, refused := refusals[op][s]
	switch {
	case !refused:
		return nil
	case op == opDelete && s == Deleted:
		return fmt.Errorf("%s: %w", why, errdefs.ErrNotFound)
	}
	return errors.New(why)
}
