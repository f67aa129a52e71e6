//go:build faults

package fault

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// control is the directory that says what goes wrong, set by the linker:
// -X tango/mounts/fault.control=DIR. It is not taken from the environment, which
// not every process of the shim hands on.
//
//	armed/NAME   what happens to the next process that passes the point; see arm
//	fired/N-NAME the same file after it has happened
//	seen/NAME    exists once the point has been passed
//	run/NAME     a program that every process runs there, in its own working directory
var control string

// Errors are what Point can be made to return, by name.
var Errors = map[string]syscall.Errno{
	"ENOSPC": syscall.ENOSPC, "EMFILE": syscall.EMFILE, "ENOMEM": syscall.ENOMEM, "EIO": syscall.EIO,
}

// Point returns the error that is armed for it, or that of the point's program, or nil.
// The program's arguments are what is said about the passage.
func Point(name string, about ...string) error {
	if err := run(name, about); err != nil {
		return fmt.Errorf("fault at %s: %w", name, err)
	}
	what, ok := claim(name)
	if !ok {
		return nil
	}
	if errno, ok := Errors[what]; ok {
		return fmt.Errorf("fault at %s: %w", name, errno)
	}
	strike(what)
	return nil
}

// run runs the point's program, if it has one.
func run(name string, about []string) error {
	program := filepath.Join(control, "run", name)
	if _, err := os.Stat(program); control == "" || err != nil {
		return nil
	}
	if out, err := exec.Command(program, about...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Here holds the process up, or kills it, if that is armed. An error that is armed
// for it does nothing.
func Here(name string) {
	if what, ok := claim(name); ok {
		strike(what)
	}
}

// strike does what is no error.
func strike(what string) {
	switch {
	case what == "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	default:
		if d, err := time.ParseDuration(what); err == nil {
			time.Sleep(d)
		}
	}
}

// claim takes what is armed for the point; of several processes and threads that
// pass at the same time one gets it, by the rename. What is armed has the form
// "WHAT SKIP": SKIP passages are let through first.
func claim(name string) (what string, ok bool) {
	if control == "" {
		return "", false
	}
	note(filepath.Join(control, "seen", name))
	armed := filepath.Join(control, "armed", name)
	fired := filepath.Join(control, "fired", strconv.FormatInt(time.Now().UnixNano(), 10)+"-"+name)
	if err := os.Rename(armed, fired); err != nil {
		return "", false
	}
	data, err := os.ReadFile(fired)
	if err != nil {
		return "", false
	}
	what, rest, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	if skip, _ := strconv.Atoi(rest); skip > 0 {
		_ = os.WriteFile(fired, []byte(what+" "+strconv.Itoa(skip-1)), 0o600)
		_ = os.Rename(fired, armed)
		return "", false
	}
	return what, true
}

// note makes an empty file, once.
func note(path string) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) || err != nil {
		return
	}
	_ = f.Close()
}
