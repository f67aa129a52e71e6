package telemetry

import (
	"time"

	"tango/shim/rollout"
)

// snapshotVersion changes when a field changes its meaning.
const snapshotVersion = 1

// Snapshot is all that a collector knows, as it answers on stats.sock in JSON.
type Snapshot struct {
	Version int       `json:"version"`
	Since   time.Time `json:"since"` // when it began to count
	Pid     int       `json:"pid"`   // of the process that collects

	Node     string `json:"node"`
	Kernel   string `json:"kernel"`
	Hardware string `json:"hardware"`

	Records uint64 `json:"records"` // taken
	Bad     uint64 `json:"bad"`     // datagrams that were none
	Dropped uint64 `json:"dropped"` // that shims could not get rid of
	Lost    uint64 `json:"lost"`    // that could not be written to a file

	Operations []Operation        `json:"operations"`
	Phases     []PhaseTimes       `json:"phases"`
	Counts     []Count            `json:"counts"`
	Gauges     map[string]float64 `json:"gauges,omitempty"` // of the collecting process
	Shims      []Shim             `json:"shims"`
	Rollout    Rollout            `json:"rollout"`

	// Tracing are the variables by which tracing is set up, of the collector's
	// environment: containerd's. They may hold secrets.
	Tracing map[string]string `json:"tracing,omitempty"`
}

// Operation counts operations that ended the same way.
type Operation struct {
	Op     string `json:"op"`
	Arm    string `json:"arm"`
	Way    string `json:"way"`
	Result string `json:"result"`
	Count  uint64 `json:"count"`
}

// PhaseTimes are how long a phase took. The phase "total" is the whole operation.
type PhaseTimes struct {
	Op    string    `json:"op"`
	Phase string    `json:"phase"`
	Arm   string    `json:"arm"`
	Times Histogram `json:"times"`
}

// Count is the sum of one of the records' counts.
type Count struct {
	Name  string `json:"name"`
	Arm   string `json:"arm"`
	Count uint64 `json:"count"`
}

// Shim is what a shim said of itself last.
type Shim struct {
	Pid    int              `json:"pid"`
	Gauges map[string]int64 `json:"gauges,omitempty"`
}

// Rollout is how the arms stand.
type Rollout struct {
	Rates    map[string]rollout.Rate   `json:"rates,omitempty"`
	Disabled map[string]rollout.Switch `json:"disabled,omitempty"`
	Problem  string                    `json:"problem,omitempty"` // why that isn't known
}
