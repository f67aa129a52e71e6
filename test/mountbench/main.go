// Command mountbench measures what making container root filesystems costs on a
// machine when many threads do it at once: id-mapped roots of many layers, by the
// ways that runtimes make them. It is to the kernel's mount locks, with real mount
// work, what benchmarks of spinning are to a lock: how throughput and latency
// behave from 1 to 64 threads, on all processors, on those of one socket, of one
// NUMA node, of one level 3 cache, with and without SMT siblings.
//
//	go run ./mountbench
//	go run ./mountbench -socket 0 -no-smt -json socket0.json -plots pictures
//	go run ./mountbench -from socket0.json -plots pictures
//
// It mounts in a mount namespace of its own and leaves nothing behind.
package main

import (
	"context"
	"os"
	"runtime"

	"tango/test/private"
	"tango/test/program"
)

func main() {
	program.Main("mountbench", func(ctx context.Context) error {
		s, err := parseSettings(os.Args[1:])
		if err == nil && s.from == "" {
			err = settle(s)
		}
		if err != nil {
			return err
		}
		return run(ctx, s)
	})
}

// settle moves the process to the chosen processors and into a mount namespace
// of its own.
func settle(s settings) error {
	runtime.LockOSThread() // the thread that executes the program anew
	defer runtime.UnlockOSThread()
	if err := s.place.pin(); err != nil {
		return err
	}
	return private.Enter()
}

// run measures, or reads what was measured, and reports.
func run(ctx context.Context, s settings) error {
	r, err := results(ctx, s)
	if err != nil {
		return err
	}
	if err := r.print(os.Stdout); err != nil {
		return err
	}
	if err := program.Save(s.json, r); err != nil {
		return err
	}
	if s.plots != "" {
		return r.draw(s.plots)
	}
	return nil
}

func results(ctx context.Context, s settings) (*report, error) {
	if s.from != "" {
		return load(s.from)
	}
	return measure(ctx, s)
}
