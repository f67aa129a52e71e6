package main

import (
	"os"
	"sync"
	"time"

	"tango/test/program"
)

// progress is a bar that grows, or a line now and then where the output is no
// terminal.
type progress struct {
	line  *program.Line
	what  string
	total int
	began time.Time

	mu   sync.Mutex // guards done
	done int
}

func newProgress(out *os.File, what string, total int) *progress {
	return &progress{line: program.NewLine(out), what: what, total: total, began: time.Now()}
}

// step counts one more as done. A fifth of them is told in a line that stays.
func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	rate := float64(p.done) / time.Since(p.began).Seconds()
	if p.done == p.total || p.done%max(1, p.total/5) == 0 {
		p.line.Say("  %s %d/%d, %.1f/s", p.what, p.done, p.total, rate)
	}
	p.line.Show("  %-7s [%s] %d/%d  %.1f/s ", p.what, program.Bar(p.done, p.total), p.done, p.total, rate)
}

// end leaves the bar's line.
func (p *progress) end() { p.line.Show("") }
