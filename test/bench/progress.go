package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"tango/test/stats"
)

// barWidth is the length of a full bar in characters.
const barWidth = 24

// progress shows on standard error what is measured: a line that changes on a
// terminal, else one line for each part.
type progress struct {
	tty         bool
	part, parts int
}

func newProgress(parts int) *progress {
	_, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS)
	return &progress{tty: err == nil, parts: parts}
}

// say writes a line of its own.
func (p *progress) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// begin starts the next part.
func (p *progress) begin() { p.part++ }

// step shows that done of total rounds are over, and the medians until now.
func (p *progress) step(title string, done, total int, sofar both, unit string) {
	if !p.tty && done < total {
		return
	}
	full := barWidth * done / total
	line := fmt.Sprintf("[%2d/%d] %-46s %s%s %3d/%d", p.part, p.parts, title,
		strings.Repeat("█", full), strings.Repeat("░", barWidth-full), done, total)
	if len(sofar[tango]) > 0 && len(sofar[stock]) > 0 {
		line += fmt.Sprintf("  tango %s  stock %s %s",
			stats.Number(stats.QuantileOf(sofar[tango], 0.5)), stats.Number(stats.QuantileOf(sofar[stock], 0.5)), unit)
	}
	if !p.tty {
		p.say("%s", line)
		return
	}
	fmt.Fprintf(os.Stderr, "\r\x1b[K%s", line)
	if done == total {
		fmt.Fprintln(os.Stderr)
	}
}
