package telemetry

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Operations.
const (
	OpCreate = "create"
	OpStart  = "start"
	OpExec   = "exec"
	OpDelete = "delete"
)

// ResultOK is the result of an operation that went well. Any other result is a
// class of errors: "canceled", "command" for a program that the container does not
// have or may not run, or the name of the phase that failed.
const (
	ResultOK       = "ok"
	ResultCanceled = "canceled"
	ResultCommand  = "command"
)

// Record is what is told of one operation. Durations are in nanoseconds.
type Record struct {
	// Time is when the operation began.
	Time time.Time `json:"time"`
	Op   string    `json:"op"`

	// Arm is how the container is run, Base what that is compared with, and ArmWhy
	// the reason, see package rollout. Guard is the bound in percentage points.
	Arm    string  `json:"arm"`
	Base   string  `json:"base,omitempty"`
	ArmWhy string  `json:"arm_why,omitempty"`
	Guard  float64 `json:"guard,omitempty"`
	// Way is how the root filesystem was made; "none" if there was none to make.
	Way string `json:"way,omitempty"`

	Namespace string `json:"namespace,omitempty"` // containerd's
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container"`
	Exec      string `json:"exec,omitempty"`
	Shim      int    `json:"shim,omitempty"` // pid
	// Trace is the W3C trace context that the request came with, if any.
	Trace string `json:"trace,omitempty"`

	Result string        `json:"result"`
	Error  string        `json:"error,omitempty"`
	Took   time.Duration `json:"took"`
	Phases []Phase       `json:"phases,omitempty"`

	// Counts are what happened in the operation, Gauges how the shim stands after it.
	Counts map[string]int64 `json:"counts,omitempty"`
	Gauges map[string]int64 `json:"gauges,omitempty"`
	// Dropped are records of this shim that nobody took, since the last one that
	// somebody did.
	Dropped uint64 `json:"dropped,omitempty"`

	// The collector adds these.
	Node     string `json:"node,omitempty"`
	Kernel   string `json:"kernel,omitempty"`
	Hardware string `json:"hardware,omitempty"`
}

// Phase is a part of an operation. Phases may lie within one another.
type Phase struct {
	Name string `json:"name"`
	// At is since the operation began.
	At   time.Duration `json:"at"`
	Took time.Duration `json:"took"`
}

// Limits of what a collector takes.
const (
	maxDatagram = 16 << 10 // bytes
	maxName     = 40       // of what becomes a label
	maxText     = 300      // of ids
	maxError    = 1000     // bytes of an error's text that are told
	maxPhases   = 64
	maxCounts   = 64
	maxTook     = 24 * time.Hour
)

var errRecord = errors.New("cannot use record")

// decode reads a datagram. Whatever comes, what it returns can be counted: names
// that become labels are short and plain, numbers are in range.
func decode(data []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, fmt.Errorf("%w: %w", errRecord, err)
	}
	return r, r.validate()
}

func (r *Record) validate() error {
	for _, name := range []string{r.Op, r.Arm, r.Result} {
		if !isName(name) {
			return fmt.Errorf("%w: bad name %.50q", errRecord, name)
		}
	}
	for _, name := range []string{r.Base, r.ArmWhy, r.Way} {
		if name != "" && !isName(name) {
			return fmt.Errorf("%w: bad name %.50q", errRecord, name)
		}
	}
	for _, text := range []string{r.Namespace, r.Pod, r.Container, r.Exec, r.Trace, r.Node, r.Kernel, r.Hardware} {
		if len(text) > maxText {
			return fmt.Errorf("%w: an id of %d bytes", errRecord, len(text))
		}
	}
	if !inRange(r.Took) || len(r.Error) > maxError || r.Shim < 0 || r.Time.Year() < 2000 || r.Time.Year() > 9999 {
		return fmt.Errorf("%w: a value is out of range", errRecord)
	}
	return r.validateLists()
}

func (r *Record) validateLists() error {
	if len(r.Phases) > maxPhases || len(r.Counts) > maxCounts || len(r.Gauges) > maxCounts {
		return fmt.Errorf("%w: too many phases or counts", errRecord)
	}
	for _, p := range r.Phases {
		if !isName(p.Name) || !inRange(p.At) || !inRange(p.Took) {
			return fmt.Errorf("%w: bad phase %.50q", errRecord, p.Name)
		}
	}
	for name, n := range r.Counts {
		if !isName(name) || n < 0 {
			return fmt.Errorf("%w: bad count %.50q", errRecord, name)
		}
	}
	for name := range r.Gauges {
		if !isName(name) {
			return fmt.Errorf("%w: bad gauge %.50q", errRecord, name)
		}
	}
	return nil
}

func inRange(d time.Duration) bool { return d >= 0 && d <= maxTook }

// isName tells whether a text is fit for a label's value: lower case letters,
// digits, and . _ - between them.
func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case (c == '.' || c == '_' || c == '-') && i > 0:
		default:
			return false
		}
	}
	return true
}

// OK tells whether the operation went well.
func (r *Record) OK() bool { return r.Result == ResultOK }

// Blames tells whether a failure may be the runtime's. That a container's program
// isn't there, or that somebody gave up, is not.
func (r *Record) Blames() bool {
	return !r.OK() && r.Result != ResultCanceled && r.Result != ResultCommand
}
