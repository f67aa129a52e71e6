package main

import (
	"fmt"
	"os"

	"tango/test/program"
	"tango/test/sides"
	"tango/test/stats"
)

// progress shows on standard error what is measured: a line that changes on a
// terminal, else one line for each part.
type progress struct {
	*program.Line
	part, parts int
}

func newProgress(parts int) *progress {
	return &progress{Line: program.NewLine(os.Stderr), parts: parts}
}

// begin starts the next part.
func (p *progress) begin() { p.part++ }

// step shows that done of total rounds are over, and the medians until now.
func (p *progress) step(title string, done, total int, sofar sides.Samples, unit string) {
	line := fmt.Sprintf("[%2d/%d] %-46s %s %3d/%d", p.part, p.parts, title, program.Bar(done, total), done, total)
	for s, values := range sofar {
		if len(values) > 0 {
			line += fmt.Sprintf("  %s %s", sides.Side(s), stats.Number(stats.QuantileOf(values, 0.5)))
		}
	}
	if done == total {
		p.Say("%s %s", line, unit)
		return
	}
	p.Show("%s %s", line, unit)
}
