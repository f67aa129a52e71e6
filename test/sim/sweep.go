package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// series is a way with its name.
type series struct {
	name string
	make func() way
}

// compared are the ways, in the order of the pictures' colours.
var compared = []series{
	{"worker per socket, in turn", func() way { return &cohort{} }},
	{"everybody, waiters poll", func() way { return &unserialised{polling: true} }},
	{"everybody, ideal queue lock", func() way { return &unserialised{} }},
	{"one lock around it all", func() way { return &oneLock{} }},
}

var (
	socketCounts = []int{2, 4, 8}
	threadCounts = []int{16, 32, 64, 128, 256, 512}
	gaps         = []time.Duration{0, 500, 1000, 2000, 4000, 8000, 16000} // in ns
)

// point is a run with its place in the pictures.
type point struct {
	sockets, threads int
	gap              time.Duration
	results          []result // as compared
}

// swept are all runs.
type swept struct {
	scale []point // over sockets and threads
	gaps  []point // over the work without the lock, at 128 threads on 2 sockets
}

func sweep(p params, long time.Duration) swept {
	var s swept
	for _, p.sockets = range socketCounts {
		for _, p.threads = range threadCounts {
			s.scale = append(s.scale, runAll(p, long))
		}
	}
	p.sockets, p.threads = 2, 128
	for _, p.gap = range gaps {
		s.gaps = append(s.gaps, runAll(p, long))
	}
	return s
}

func runAll(p params, long time.Duration) point {
	pt := point{sockets: p.sockets, threads: p.threads, gap: p.gap}
	for _, c := range compared {
		pt.results = append(pt.results, run(p, c.make(), long))
	}
	return pt
}

func (s swept) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "sockets\tthreads\tgap\t")
	for _, c := range compared {
		fmt.Fprintf(t, "%s: roots/s\tp99\tremote/root\t", c.name)
	}
	fmt.Fprintln(t)
	for _, points := range [][]point{s.scale, s.gaps} {
		for _, p := range points {
			fmt.Fprintf(t, "%d\t%d\t%s\t", p.sockets, p.threads, p.gap)
			for _, r := range p.results {
				fmt.Fprintf(t, "%.0f\t%s\t%.2f\t", r.perSecond, r.p99.Round(10*time.Microsecond), r.remote)
			}
			fmt.Fprintln(t)
		}
	}
	_ = t.Flush() // to a terminal or a pipe
}
