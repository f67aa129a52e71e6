package operator

import (
	"encoding/json"
	"fmt"
	"os"
)

// perfettoEvent is an event of the Trace Event Format, which both Chrome and
// Perfetto read: "X" is a slice with a begin and a length, "M" names a row. Times
// are in microseconds.
type perfettoEvent struct {
	Name     string         `json:"name"`
	Category string         `json:"cat,omitempty"`
	Phase    string         `json:"ph"`
	At       float64        `json:"ts"`
	Took     float64        `json:"dur,omitempty"`
	Process  int            `json:"pid"`
	Thread   int            `json:"tid"`
	Args     map[string]any `json:"args,omitempty"`
}

// Rows of the timeline that are no threads.
const (
	rowOperations = 1
	rowPhases     = 2
)

// perfetto makes a row of operations, one of phases, and one for each thread, in the
// order of their first steps.
func (t *Timeline) perfetto() []perfettoEvent {
	events := []perfettoEvent{rowEvent("process_name", 0, "name", "container "+t.Container)}
	named := map[int]bool{}
	addRow := func(thread int, text string) {
		if !named[thread] {
			events = append(events, rowEvent("thread_name", thread, "name", text), rowEvent("thread_sort_index", thread, "sort_index", len(named)))
			named[thread] = true
		}
	}
	addRow(rowOperations, "operations")
	addRow(rowPhases, "phases")
	for _, s := range t.Steps {
		e := perfettoEvent{
			Name: s.Name, Category: s.Kind, Phase: "X", At: float64(s.At) / 1000, Took: float64(max(s.Took, 1)) / 1000,
			Process: 1, Thread: s.Thread, Args: map[string]any{},
		}
		switch s.Kind {
		case stepOperation:
			e.Thread = rowOperations
		case stepPhase:
			e.Thread = rowPhases
		default:
			e.Args["cpu"] = s.CPU
			addRow(s.Thread, fmt.Sprintf("%s %d", s.Who, s.Thread))
		}
		if s.Kind == stepWait {
			e.Name = "wait: " + s.Name
		}
		if s.Failed != "" {
			e.Args["failed"] = s.Failed
		}
		events = append(events, e)
	}
	return events
}

// rowEvent says something of a row.
func rowEvent(what string, thread int, key string, value any) perfettoEvent {
	return perfettoEvent{Name: what, Phase: "M", Process: 1, Thread: thread, Args: map[string]any{key: value}}
}

func (t *Timeline) writePerfetto(file string) error {
	data, err := json.Marshal(map[string]any{"traceEvents": t.perfetto(), "displayTimeUnit": "ms"})
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return fmt.Errorf("cannot write the timeline: %w", err)
	}
	return nil
}
