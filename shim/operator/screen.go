package operator

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// What terminals understand (ECMA-48).
const (
	screenTop   = "\x1b[H"
	restOfLine  = "\x1b[K"
	restOfPlace = "\x1b[J" // from here on
)

// screenSize tells how much room there is, if w is a terminal.
func screenSize(w io.Writer) (rows, columns int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile {
		return 0, 0, false
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Row == 0 || size.Col == 0 {
		return 0, 0, false
	}
	return int(size.Row), int(size.Col), true
}

// drawn is a text as a screen shows it in place of what it shows now: what has no room
// is left out, and its last line says how much that is.
func drawn(text string, rows, columns int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if left := len(lines) - rows; left > 0 && rows > 1 {
		lines = append(lines[:rows-1], fmt.Sprintf("... %s more: tango ps shows all", count(left+1, "line")))
	}
	for i, line := range lines {
		if letters := []rune(line); len(letters) > columns {
			line = string(letters[:columns])
		}
		lines[i] = line + restOfLine
	}
	return screenTop + strings.Join(lines, "\n") + restOfPlace
}
