package bystander

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Session says which session the bystander is in. The scheduler takes all of a session
// for one, as long as they are in no cgroup with a CPU share (sched_autogroup, sched(7)).
type Session bool

// The sessions.
const (
	Own  Session = true  // as a service has: it shares the CPU with the caller's session as a whole
	Same Session = false // the caller's: it takes its turn among all that the caller has started
)

// deep is what is opened, below the caller's directory. Each part of its path is one
// more look at the mount table's lock.
const deep = "bystander/a/b/c/d/e/f/g/file"

// Process is a running bystander. Nil is none.
type Process struct {
	cmd    *exec.Cmd
	end    io.WriteCloser
	output bytes.Buffer
}

// Start makes a file below dir, and starts a process that opens it so often; 0 is
// without a pause. The caller calls Stop, or GiveUp.
func Start(dir string, every time.Duration, session Session) (*Process, error) {
	file := filepath.Join(dir, deep)
	if err := os.MkdirAll(filepath.Dir(file), 0o711); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: exec.Command(self, action, file, every.String())}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: bool(session)}
	if p.end, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the bystander: %w", err)
	}
	return p, nil
}

// Stop ends the process and returns what it has measured.
func (p *Process) Stop() ([]Opened, error) {
	if p == nil {
		return nil, nil
	}
	if err := p.end.Close(); err != nil {
		return nil, err
	}
	err := p.cmd.Wait()
	p.cmd = nil
	if err != nil {
		return nil, fmt.Errorf("cannot open files beside other work: %w", err)
	}
	seen := make([]Opened, p.output.Len()/binary.Size(Opened{}))
	return seen, binary.Read(&p.output, binary.NativeEndian, seen)
}

// GiveUp ends a process that was not stopped.
func (p *Process) GiveUp() {
	if p == nil || p.cmd == nil {
		return
	}
	_ = p.end.Close()
	_ = p.cmd.Wait() // its result is not wanted any more
	p.cmd = nil
}
