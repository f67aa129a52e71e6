package kernel

import (
	"strings"
)

// Error describes a failed call of the mount API. Match its cause with
// errors.Is and an errno; the text is for people.
type Error struct {
	// Op is the system call, with its command or key where it has one:
	// "fsconfig lowerdir+", "move_mount".
	Op string
	// FS is the filesystem type, for calls on a filesystem context.
	FS string
	// Source is what is mounted: a path, or the value of a "source" or other
	// key.
	Source string
	// Target is the path acted on.
	Target string
	// Flags are the call's flags by name; unknown bits are in hexadecimal.
	Flags string
	// Log holds the lines the filesystem wrote to its context since it was
	// opened or last failed: "e overlay: ...". The letter is e, w or i, for
	// error, warning and information.
	Log []string
	// Err is the errno.
	Err error
}

// Error gives one line: what was tried, on what, why it failed, what the
// filesystem had to say.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("cannot ")
	b.WriteString(e.Op)
	writeField(&b, " fs=", e.FS)
	writeField(&b, " source=", e.Source)
	writeField(&b, " target=", e.Target)
	writeField(&b, " flags=", e.Flags)
	b.WriteString(": ")
	b.WriteString(e.Err.Error())
	if len(e.Log) > 0 {
		b.WriteString(" (kernel: ")
		b.WriteString(strings.Join(e.Log, "; "))
		b.WriteByte(')')
	}
	return b.String()
}

// Unwrap returns the errno.
func (e *Error) Unwrap() error { return e.Err }

func writeField(b *strings.Builder, name, value string) {
	if value == "" {
		return
	}
	b.WriteString(name)
	b.WriteString(value)
}
