package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tango/test/lockwait/contention"
)

// openFlag makes this program the bystander, and everyFlag says how often it
// opens the file: by default often enough for a 99th percentile of a burst of
// seconds, and seldom enough to have no part in the load.
const (
	openFlag  = "open"
	everyFlag = "every"
)

// bystanderFile is what is opened, below the node's directory. Each part of its
// path is one more look at the mount table's lock.
const bystanderFile = "bystander/a/b/c/d/e/f/g/file"

// opened is one open, on the clock of the waits.
type opened struct {
	Due   time.Duration // when it was to happen
	Began time.Duration // when the thread ran
	Done  time.Duration
}

// standBy opens the file until input ends, and then writes when it did so.
func standBy(file string, every time.Duration, input io.Reader, output io.Writer) error {
	// Nobody else is to run on this thread. It ends with the process.
	runtime.LockOSThread()
	if err := raiseTimerPrecision(); err != nil {
		return err
	}
	var over atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, input) // what ends it doesn't matter
		over.Store(true)
	}()
	var seen []opened
	for due := contention.Now(); !over.Load(); due += every {
		if every == 0 {
			due = contention.Now()
		}
		o, err := openAt(due, file)
		if err != nil {
			return err
		}
		seen = append(seen, o)
	}
	return binary.Write(output, binary.NativeEndian, seen)
}

// raiseTimerPrecision has the kernel wake this thread when it asked to be woken,
// and not up to 50 microseconds later to save power.
func raiseTimerPrecision() error {
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot set the timers' precision: %w", err)
	}
	return nil
}

// openAt opens the file when it is due, or at once if that has passed.
func openAt(due time.Duration, file string) (opened, error) {
	at := unix.NsecToTimespec(int64(due))
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return opened{}, fmt.Errorf("cannot sleep: %w", err)
		}
	}
	o := opened{Due: due, Began: contention.Now()}
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	o.Done = contention.Now()
	if err != nil {
		return o, fmt.Errorf("cannot open %s: %w", file, err)
	}
	return o, unix.Close(fd)
}

// bystander is a process that opens files. Nil is none.
type bystander struct {
	cmd    *exec.Cmd
	end    io.WriteCloser
	output bytes.Buffer
}

// startBystander makes the file and starts the process, if one is wanted.
func (b *bed) startBystander() (*bystander, error) {
	if !b.bystander {
		return nil, nil
	}
	file := filepath.Join(b.node.Dir(), bystanderFile)
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
	s := &bystander{cmd: exec.Command(self, "-"+openFlag, file, "-"+everyFlag, b.every.String())}
	s.cmd.Stdout, s.cmd.Stderr = &s.output, os.Stderr
	// A session of its own, as a service has: else the scheduler counts it with
	// containerd and what that starts (sched_autogroup, sched(7)).
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if s.end, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the bystander: %w", err)
	}
	return s, nil
}

// stop ends the process and returns what it has measured.
func (s *bystander) stop() ([]opened, error) {
	if s == nil {
		return nil, nil
	}
	if err := s.end.Close(); err != nil {
		return nil, err
	}
	err := s.cmd.Wait()
	s.cmd = nil
	if err != nil {
		return nil, fmt.Errorf("cannot open files beside the burst: %w", err)
	}
	seen := make([]opened, s.output.Len()/binary.Size(opened{}))
	return seen, binary.Read(&s.output, binary.NativeEndian, seen)
}

// giveUp ends a process that was not stopped.
func (s *bystander) giveUp() {
	if s == nil || s.cmd == nil {
		return
	}
	_ = s.end.Close()
	_ = s.cmd.Wait() // its result is not wanted any more
	s.cmd = nil
}
