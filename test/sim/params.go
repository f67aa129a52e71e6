package main

import "time"

// params are the costs and the load. Each has its source, or says that it is
// assumed.
type params struct {
	// local and remote are the time a cache line takes from a core to another of
	// the same socket, and of another one. Defaults: Xeon Platinum 8275CL, 47 and
	// 134 ns, medians of github.com/nviennot/core-to-core-latency. There an EPYC
	// 7R13 has 107 between its caches and 197 between sockets.
	local, remote time.Duration
	// lines are the cache lines that a section finds in the last holder's cache:
	// the semaphore, the seqlock, the namespace's counters, the mount's neighbours
	// in hash table and tree. Assumed.
	lines int
	// pollLocal and pollRemote are what each thread that polls the lock's line adds
	// to a hand-over, from the new holder's socket and from others: its read stands
	// in the queue of requests for the line. Assumed.
	pollLocal, pollRemote time.Duration
	// wake is from the end of a wait in user space to running again. Assumed; a few
	// microseconds on any Linux.
	wake time.Duration
	// sections of a root filesystem hold the kernel's lock for hold each; between
	// two of them a thread works for gap without it. Measured on the calls of a
	// create on Linux 6.18: about 30 of 3 to 9 us each when nobody else mounts.
	sections  int
	hold, gap time.Duration
	// think is what else a start takes between two root filesystems, on average;
	// exponentially distributed. A create takes about 17 ms.
	think time.Duration

	sockets, threads int
	batch            int // roots that a worker makes before the next socket's turn
}

func defaults() params {
	return params{
		local: 47 * time.Nanosecond, remote: 134 * time.Nanosecond, lines: 12,
		pollLocal: 5 * time.Nanosecond, pollRemote: 15 * time.Nanosecond,
		wake: 5 * time.Microsecond, sections: 30, hold: 3 * time.Microsecond, gap: time.Microsecond,
		think: 10 * time.Millisecond, sockets: 2, threads: 64, batch: 16,
	}
}

// transfer is the time in which a section's lines go from one socket to another.
func (p *params) transfer(from, to int) time.Duration {
	if from == to {
		return time.Duration(p.lines) * p.local
	}
	return time.Duration(p.lines) * p.remote
}
