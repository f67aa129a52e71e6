// Command sim simulates what it costs to hand the kernel's mount locks from thread
// to thread on machines that are not at hand: 2 to 8 sockets, 16 to 512 threads,
// with everybody fighting, one lock around it all, and a worker per socket with a
// turn. It prints a table and draws it.
//
//	go run ./sim -plots ../docs/results
//	go run ./sim -remote 197ns -local 107ns -gap 10us
//
// It says what follows from its assumptions, which docs/numa.md lists, and nothing
// about a machine that somebody has measured: test/mountbench does that.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	p := defaults()
	flag.DurationVar(&p.local, "local", p.local, "transfer of a cache line within a socket")
	flag.DurationVar(&p.remote, "remote", p.remote, "transfer of a cache line between sockets")
	flag.IntVar(&p.lines, "lines", p.lines, "cache lines that move with the lock")
	flag.DurationVar(&p.pollLocal, "poll-local", p.pollLocal, "what a polling waiter of the same socket adds to a hand-over")
	flag.DurationVar(&p.pollRemote, "poll-remote", p.pollRemote, "the same, of another socket")
	flag.DurationVar(&p.wake, "wake", p.wake, "waking a thread that sleeps")
	flag.IntVar(&p.sections, "sections", p.sections, "times a root filesystem takes the kernel's lock")
	flag.DurationVar(&p.hold, "hold", p.hold, "for how long each")
	flag.DurationVar(&p.gap, "gap", p.gap, "work between two of them, without the lock")
	flag.DurationVar(&p.think, "think", p.think, "what else a start takes, on average")
	flag.IntVar(&p.batch, "batch", p.batch, "roots of one socket before the next has its turn")
	long := flag.Duration("long", 2*time.Second, "simulated time of each point")
	plots := flag.String("plots", "", "`directory` for pictures")
	flag.Parse()
	s := sweep(p, *long)
	s.print(os.Stdout)
	if *plots == "" {
		return
	}
	if err := s.draw(*plots); err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
}
