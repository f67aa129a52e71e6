// Command lockwait shows how long the whole machine waits for the locks of the
// mount table while many containers start and end: with tango and with the stock
// shim, on one private containerd, in turn. It says where in the kernel the waits
// are, and in which programs.
//
//	go run ./lockwait
//	go run ./lockwait -rounds 3 -json lockwait.json
//	go run ./lockwait -bystander
//
// With -bystander it also opens a file again and again, meanwhile, and shows how
// long that took: what the burst does to programs that have no part in it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	s, err := parseSettings(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil && s.open != "" {
		err = standBy(s.open, s.every, os.Stdin, os.Stdout)
	} else if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		err = run(ctx, s)
		stop()
	}
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "lockwait:", err)
	if errors.Is(err, errInterrupted) {
		os.Exit(130) // as shells tell it
	}
	os.Exit(1)
}

// errInterrupted says that the user has ended the run.
var errInterrupted = errors.New("interrupted")

func run(ctx context.Context, s settings) error {
	r, err := measure(ctx, s)
	if err != nil {
		return err
	}
	if err := r.print(os.Stdout); err != nil {
		return err
	}
	if s.json != "" {
		if err := r.save(s.json); err != nil {
			return err
		}
	}
	return r.check(s.atMost)
}
