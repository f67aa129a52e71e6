// Package program has what the measuring and testing programs below test have in
// common: how they begin and end, their flags, what they tell meanwhile, and the
// files of what they have found.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// What a program exits with.
const (
	exitFailed      = 1
	exitInterrupted = 130 // as shells tell it
)

// errInterrupted says that the user has ended the run.
var errInterrupted = errors.New("interrupted")

// Main runs a program and ends the process. The context ends at the first SIGINT or
// SIGTERM, for run to take away what it has made; a second one kills the process.
// What run returns is printed after the program's name; a help that was asked for is
// no error.
func Main(name string, run func(context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := run(ctx)
	interrupted := ctx.Err() != nil
	stop()
	if err == nil && !interrupted || errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = errInterrupted
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	if interrupted {
		os.Exit(exitInterrupted)
	}
	os.Exit(exitFailed)
}

// Ended is what a run that takes things away at its end returns: an error of the work
// has no other cause than the interruption where there was one, and is left out then;
// what could not be taken away is told in any case.
func Ended(ctx context.Context, work, away error) error {
	if ctx.Err() != nil {
		work = errInterrupted
	}
	return errors.Join(work, away)
}
