package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// barWidth is the length of a full bar in characters.
const barWidth = 40

// progress is a bar that grows, or a line now and then where the output is no
// terminal.
type progress struct {
	out   *os.File
	what  string
	total int
	tty   bool
	began time.Time

	mu   sync.Mutex // guards done
	done int
}

func newProgress(out *os.File, what string, total int) *progress {
	_, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS)
	return &progress{out: out, what: what, total: total, tty: err == nil, began: time.Now()}
}

// step counts one more as done.
func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	rate := float64(p.done) / time.Since(p.began).Seconds()
	if p.tty {
		full := barWidth * p.done / p.total
		fmt.Fprintf(p.out, "\r  %-7s [%s%s] %d/%d  %.1f/s ", p.what,
			strings.Repeat("█", full), strings.Repeat("░", barWidth-full), p.done, p.total, rate)
		return
	}
	if p.done == p.total || p.done%max(1, p.total/5) == 0 {
		fmt.Fprintf(p.out, "  %s %d/%d, %.1f/s\n", p.what, p.done, p.total, rate)
	}
}

// end leaves the bar's line.
func (p *progress) end() {
	if p.tty {
		fmt.Fprintln(p.out)
	}
}
