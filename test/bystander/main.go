package bystander

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tango/test/program"
)

// action is the first argument of a process that is to be a bystander. The file and
// the pause follow.
const action = "open-files"

// Opened is one open, on the clock of program.Now.
type Opened struct {
	Due   time.Duration // when it was to happen
	Began time.Duration // when the thread ran
	Done  time.Duration
}

// Main ends the process when it was to be a bystander, and has been one. Otherwise
// it returns.
func Main() {
	if len(os.Args) != 4 || os.Args[1] != action {
		return
	}
	every, err := time.ParseDuration(os.Args[3])
	if err == nil {
		err = standBy(os.Args[2], every, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bystander:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// standBy opens the file until input ends, at least once, and then writes when it did so.
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
	var seen []Opened
	for due := program.Now(); len(seen) == 0 || !over.Load(); due += every {
		if every == 0 {
			due = program.Now()
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
func openAt(due time.Duration, file string) (Opened, error) {
	at := unix.NsecToTimespec(int64(due))
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return Opened{}, fmt.Errorf("cannot sleep: %w", err)
		}
	}
	o := Opened{Due: due, Began: program.Now()}
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	o.Done = program.Now()
	if err != nil {
		return o, fmt.Errorf("cannot open %s: %w", file, err)
	}
	return o, unix.Close(fd)
}
