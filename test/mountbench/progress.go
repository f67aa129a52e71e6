package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// progress shows on standard error what is measured: a line that changes on a
// terminal, else one line for each measurement.
type progress struct {
	tty         bool
	part, parts int
	title       string
	began       time.Time
}

func newProgress(parts int) *progress {
	_, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS)
	return &progress{tty: err == nil, parts: parts}
}

// say writes a line of its own.
func (p *progress) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// begin starts the next measurement.
func (p *progress) begin(title string) {
	p.part++
	p.title, p.began = title, time.Now()
}

// made shows how many roots there were until now.
func (p *progress) made(roots int64) {
	if p.tty {
		fmt.Fprintf(os.Stderr, "\r\x1b[K%s%d roots, %.0f/s", p.head(), roots, float64(roots)/time.Since(p.began).Seconds())
	}
}

// end shows the measurement's result.
func (p *progress) end(result string) {
	if p.tty {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
	p.say("%s%s", p.head(), result)
}

func (p *progress) head() string {
	return fmt.Sprintf("[%2d/%d] %-38s ", p.part, p.parts, p.title)
}
