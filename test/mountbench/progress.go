package main

import (
	"fmt"
	"os"
	"time"

	"tango/test/program"
)

// progress shows on standard error what is measured: a line that changes on a
// terminal, else one line for each measurement.
type progress struct {
	*program.Line
	part, parts int
	title       string
	began       time.Time
}

func newProgress(parts int) *progress {
	return &progress{Line: program.NewLine(os.Stderr), parts: parts}
}

// begin starts the next measurement.
func (p *progress) begin(title string) {
	p.part++
	p.title, p.began = title, time.Now()
}

// made shows how many roots there were until now.
func (p *progress) made(roots int64) {
	p.Show("%s%d roots, %.0f/s", p.head(), roots, float64(roots)/time.Since(p.began).Seconds())
}

// end shows the measurement's result.
func (p *progress) end(result string) { p.Say("%s%s", p.head(), result) }

func (p *progress) head() string {
	return fmt.Sprintf("[%2d/%d] %-38s ", p.part, p.parts, p.title)
}
