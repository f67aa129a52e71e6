package operator

import (
	"encoding/json"
	"io"
	"slices"

	"tango/shim/telemetry"
)

// printJSON prints a value for programs, in a form that people can read, too.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printJSONLine prints a value in one line.
func printJSONLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

// armsOf are the arms that occur, in order.
func armsOf(operations []telemetry.Operation) []string {
	var arms []string
	for _, o := range operations {
		arms = append(arms, o.Arm)
	}
	slices.Sort(arms)
	return slices.Compact(arms)
}
