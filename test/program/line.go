package program

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// barWidth is the length of a full bar in characters.
const barWidth = 24

// Line shows on a file, usually standard error, what goes on: a line that changes on
// a terminal, elsewhere one line for each result.
type Line struct {
	out *os.File
	tty bool
}

// NewLine returns a line on a file that stays the caller's.
func NewLine(out *os.File) *Line {
	_, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS)
	return &Line{out: out, tty: err == nil}
}

// Say writes a line that stays.
func (l *Line) Say(format string, args ...any) {
	if l.tty {
		fmt.Fprint(l.out, "\r\x1b[K")
	}
	fmt.Fprintf(l.out, format+"\n", args...)
}

// Show changes the line on a terminal, and does nothing elsewhere.
func (l *Line) Show(format string, args ...any) {
	if l.tty {
		fmt.Fprintf(l.out, "\r\x1b[K"+format, args...)
	}
}

// Bar is a bar that is full when all is done.
func Bar(done, total int) string {
	full := barWidth * done / max(1, total)
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}
