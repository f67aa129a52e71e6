// Package stdio connects a container process's stdin, stdout and stderr with
// what containerd named for them: fifos, log files, logging binaries, a
// terminal, or nothing.
//
// It behaves as containerd-shim-runc-v2 does, error texts included, with these
// differences, all in a caller's favour: between a pipe and a fifo bytes are
// spliced, so an idle stream holds no buffer and a busy one at most what the
// two pipes hold; a log file that cannot grow holds the process up until there
// is room instead of losing the stream; a logging binary gets a moment to read
// what is left before it is told to end; and after [IO.Close] no goroutine,
// file or process of it is left.
//
// The life of an [IO]: [Open], hand [IO.Child] to the process, start it,
// [IO.Started]; when the process is gone [IO.Exited], [IO.Wait], [IO.Close].
package stdio

import "os"

// Spec says where the streams go, in the words of a CreateTaskRequest.
type Spec struct {
	// Stdin is the path of a fifo, or empty: /dev/null.
	Stdin string
	// Stdout and Stderr are each the path of a fifo or of an existing file,
	// file:///path (made if need be, appended to), or empty: /dev/null. Stdout
	// may also be binary:///path?args or binary-v2:///path?args, a program
	// that then gets both streams.
	Stdout, Stderr string
	// Terminal has the process get a pseudo-terminal; its output goes to
	// Stdout, and Stderr means nothing.
	Terminal bool
}

// IsNull reports whether no stream goes anywhere.
func (s Spec) IsNull() bool {
	return s.Stdin == "" && s.Stdout == "" && s.Stderr == ""
}

// Config is what [Open] has to know.
type Config struct {
	// ContainerID and ExecID (empty for a container's first process) name the
	// process to a logging binary.
	ContainerID, ExecID string
	// Namespace is containerd's; a logging binary needs one.
	Namespace string
	// UID and GID own the pipes that the process gets.
	UID, GID int
	// Spec says where the streams go.
	Spec Spec
}

// id is what a logging binary gets as CONTAINER_ID. For an exec that is the
// exec's id, as with the stock shim.
func (c Config) id() string {
	if c.ExecID != "" {
		return c.ExecID
	}
	return c.ContainerID
}

// Child is what to hand to the process that is about to start. The files stay
// the [IO]'s, are in blocking mode, close-on-exec, and open until
// [IO.Started] or [IO.Close]. A nil stream is /dev/null; with a terminal all
// three are nil and ConsoleSocket is where the pty's master is to be sent to
// (libcontainer's Process.ConsoleSocket).
type Child struct {
	Stdin, Stdout, Stderr *os.File
	ConsoleSocket         *os.File
}

// files lists those that there are.
func (c Child) files() []*os.File {
	var files []*os.File
	for _, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr, c.ConsoleSocket} {
		if f != nil {
			files = append(files, f)
		}
	}
	return files
}
