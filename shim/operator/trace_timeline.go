package operator

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tango/shim/telemetry"
)

// Timeline is how one container was created and started. It is what tango trace
// --json prints. Times are in nanoseconds since its begin.
type Timeline struct {
	Container string      `json:"container"`
	Arm       string      `json:"arm"`
	Way       string      `json:"way"`
	Kernel    string      `json:"kernel"`
	Result    string      `json:"result"`
	Begin     time.Time   `json:"begin"`
	Steps     []TraceStep `json:"steps"`
	// Traced tells that calls and waits were looked for.
	Traced bool `json:"traced"`
	// Calls and Waits count them; CallTime and WaitTime are their sums.
	Calls    int           `json:"calls"`
	CallTime time.Duration `json:"callTime"`
	Waits    int           `json:"waits"`
	WaitTime time.Duration `json:"waitTime"`
}

// TraceStep is a part of it. Steps may lie within one another.
type TraceStep struct {
	// Kind is "operation", "phase", "call" for a system call, or "wait" for a lock.
	Kind string        `json:"kind"`
	Name string        `json:"name"`
	At   time.Duration `json:"at"`
	Took time.Duration `json:"took"`
	// Who made the call: a thread.
	Who    string `json:"who,omitempty"`
	Thread int    `json:"thread,omitempty"`
	CPU    int    `json:"cpu,omitempty"`
	Failed string `json:"failed,omitempty"`
}

const (
	stepOperation = "operation"
	stepPhase     = "phase"
	stepCall      = "call"
	stepWait      = "wait"
)

// newTimeline puts records of one container and what the kernel saw in order.
func newTimeline(records []telemetry.Record, events []kernelEvent) *Timeline {
	first := records[0]
	t := &Timeline{
		Container: first.Container, Arm: first.Arm, Way: first.Way, Kernel: first.Kernel,
		Begin: first.Time, Traced: events != nil, Steps: []TraceStep{},
	}
	end := first.Time
	for _, r := range records {
		t.Result = r.Result
		at := r.Time.Sub(first.Time)
		t.Steps = append(t.Steps, TraceStep{Kind: stepOperation, Name: r.Op, At: at, Took: r.Took, Failed: r.Error})
		for _, p := range r.Phases {
			t.Steps = append(t.Steps, TraceStep{Kind: stepPhase, Name: r.Op + "." + p.Name, At: at + p.At, Took: p.Took})
		}
		end = r.Time.Add(r.Took)
	}
	for _, s := range pairEvents(events) {
		s.At -= time.Duration(first.Time.UnixNano())
		if s.At+s.Took >= 0 && s.At <= end.Sub(first.Time) {
			t.add(s)
		}
	}
	slices.SortStableFunc(t.Steps, func(a, b TraceStep) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(b.Took, a.Took)) })
	return t
}

func (t *Timeline) add(s TraceStep) {
	t.Steps = append(t.Steps, s)
	if s.Kind == stepCall {
		t.Calls++
		t.CallTime += s.Took
		return
	}
	t.Waits++
	t.WaitTime += s.Took
}

// pairEvents makes a step of each begin and end on the same thread. What began
// before the trace, or ends after it, is left out.
func pairEvents(events []kernelEvent) []TraceStep {
	type key struct {
		tid  int
		name string
	}
	open := map[key]kernelEvent{}
	var steps []TraceStep
	for _, e := range events {
		switch call, ended := strings.CutSuffix(e.name, " ->"); {
		case e.name == "contention_begin", strings.HasPrefix(e.name, "sys_") && !ended:
			open[key{e.tid, strings.TrimSuffix(e.name, "_begin")}] = e
		case e.name == "contention_end", ended:
			k := key{e.tid, strings.TrimSuffix(call, "_end")}
			if begin, ok := open[k]; ok {
				delete(open, k)
				steps = append(steps, newStep(begin, e))
			}
		}
	}
	return steps
}

func newStep(begin, end kernelEvent) TraceStep {
	s := TraceStep{Kind: stepCall, At: begin.at, Took: end.at - begin.at, Who: begin.comm, Thread: begin.tid, CPU: begin.cpu}
	if begin.name == "contention_begin" {
		s.Kind = stepWait
		s.Name = lockName(begin.text)
		return s
	}
	s.Name = strings.TrimPrefix(begin.name, "sys_")
	if n, err := strconv.ParseUint(strings.TrimPrefix(end.text, "0x"), 16, 64); err == nil && int64(n) < 0 {
		s.Failed = syscall.Errno(-int64(n)).Error()
	}
	return s
}

// lockName makes "0xffffffff82a0 (flags=MUTEX)" the lock's name, if it has one.
func lockName(text string) string {
	address, flags, _ := strings.Cut(text, " ")
	kind := strings.ToLower(strings.Trim(strings.TrimPrefix(flags, "(flags="), ")"))
	if name := lockNames()[strings.TrimPrefix(address, "0x")]; name != "" {
		return name
	}
	return kind + " " + address
}

// write prints the timeline for people.
func (t *Timeline) write(w io.Writer) error {
	fmt.Fprintf(w, "container %s, arm %s, way %s, Linux %s: %s, begun %s\n\n", t.Container, t.Arm, t.Way, t.Kernel, t.Result, t.Begin.Format("15:04:05.000000"))
	fmt.Fprintf(w, "%10s %10s\n", "AT", "TOOK")
	var within []TraceStep
	for _, s := range t.Steps {
		for len(within) > 0 && !contains(within[len(within)-1], s) {
			within = within[:len(within)-1]
		}
		fmt.Fprintf(w, "%10s %10s  %s%s\n", tidy(s.At), tidy(s.Took), strings.Repeat("  ", len(within)), s.text())
		if s.Kind == stepOperation || s.Kind == stepPhase {
			within = append(within, s)
		}
	}
	if t.Traced {
		fmt.Fprintf(w, "\n%s took %s; %s for kernel locks took %s\n", count(t.Calls, "call"), tidy(t.CallTime), count(t.Waits, "wait"), tidy(t.WaitTime))
	}
	return nil
}

// contains tells whether a step lies within another.
func contains(outer, s TraceStep) bool { return s.At >= outer.At && s.At+s.Took <= outer.At+outer.Took }

func (s TraceStep) text() string {
	text := s.Name
	switch s.Kind {
	case stepCall:
		text = fmt.Sprintf("%s()  by %s on CPU %d", s.Name, s.Who, s.CPU)
	case stepWait:
		text = fmt.Sprintf("WAIT for %s  by %s on CPU %d", s.Name, s.Who, s.CPU)
	}
	if s.Failed != "" {
		text += ": " + s.Failed
	}
	return text
}
