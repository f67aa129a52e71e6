package bootstrap

import (
	"io"
	"os"
	"strings"

	"tango/shim/host"
)

// caller is the process that containerd executed: this one, or one that the host
// service acts for.
type caller struct {
	dir    string // its working directory: the bundle
	env    []string
	parent int // its parent's pid: containerd's
	stdin  io.Reader
	stdout io.Writer
	warm   *host.Pool // nil: this process is no service
}

// self is the caller that executed this process.
func self() (caller, error) {
	dir, err := os.Getwd()
	return caller{dir: dir, env: os.Environ(), parent: os.Getppid(), stdin: os.Stdin, stdout: os.Stdout}, err
}

// getenv is os.Getenv of the caller: the last of several wins, as in os/exec.
func (c caller) getenv(name string) string {
	for i := len(c.env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(c.env[i], name+"="); ok {
			return value
		}
	}
	return ""
}
