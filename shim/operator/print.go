package operator

import (
	"encoding/json"
	"io"

	"github.com/urfave/cli/v3"
)

// printJSON prints a value for programs, in a form that people can read, too.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printed is what a command has found out.
type printed interface{ write(w io.Writer) error }

// show prints it for people, or for programs with --json.
func show(c *cli.Command, what printed) error {
	if c.Bool("json") {
		return printJSON(c.Root().Writer, what)
	}
	return what.write(c.Root().Writer)
}

// printJSONLine prints a value in one line.
func printJSONLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
