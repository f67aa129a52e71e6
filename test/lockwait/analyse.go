package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tango/test/bystander"
	"tango/test/lockwait/contention"
	"tango/test/program"
)

// sum is waits added up.
type sum struct {
	Waits int     `json:"waits"`
	Total float64 `json:"total_ms"`
	Max   float64 `json:"max_ms"`
}

func (s *sum) add(w contention.Wait) {
	s.Waits++
	s.Total += program.Milliseconds(w.Time())
	s.Max = max(s.Max, program.Milliseconds(w.Time()))
}

// merge adds what was added to another sum.
func (s *sum) merge(other sum) {
	s.Waits += other.Waits
	s.Total += other.Total
	s.Max = max(s.Max, other.Max)
}

// origin is where waits come from.
type origin struct {
	Caller string `json:"caller"` // the function that waits are put down to
	Path   string `json:"path"`   // from the lock out to the system call
	Comm   string `json:"comm"`   // the thread's name
	Sort   string `json:"lock"`   // the sort of lock
}

// part is the waits of one origin.
type part struct {
	origin
	sum
}

// burst is what one burst has shown.
type burst struct {
	Starts float64 `json:"starts_ms"` // wall time of the starts
	Ends   float64 `json:"ends_ms"`   // wall time of the kills and deletes

	Busy   float64 `json:"busy_ms"`   // the processors' time meanwhile, all of the machine's work
	Stolen float64 `json:"stolen_ms"` // what they stood still for the host's other guests

	Mount  sum    `json:"mount"`  // waits for locks of the mount table
	Phases [3]sum `json:"phases"` // the same by when they ended: starts, ends, afterwards
	All    sum    `json:"all"`    // waits for any lock of the kernel
	Parts  []part `json:"parts"`  // of Mount, or of All if that was asked for; the longest in sum first

	Opens          *bystander.Opens `json:"opens,omitempty"`            // by who has a session of his own
	OpensInSession *bystander.Opens `json:"opens_in_session,omitempty"` // by who has containerd's
	Beside         string           `json:"beside,omitempty"`           // what another program has written about the same burst
}

// phase is the part of the burst that a moment lies in.
func (t times) phase(at time.Duration) int {
	switch {
	case at <= t.started:
		return 0
	case at <= t.deleted:
		return 1
	default:
		return 2
	}
}

// analyse adds up the waits of a burst. Its parts are those of all locks, or of
// the mount table's only.
func analyse(waits []contention.Wait, t times, symbols *contention.Symbols, all bool) *burst {
	b := &burst{
		Starts: program.Milliseconds(t.started - t.began), Ends: program.Milliseconds(t.deleted - t.started),
		Busy: program.Milliseconds(t.used.busy), Stolen: program.Milliseconds(t.used.stolen),
	}
	parts := make(map[origin]*sum)
	for _, w := range waits {
		b.All.add(w)
		caller := symbols.Caller(w)
		mount := contention.IsMountClass(caller)
		if mount {
			b.Mount.add(w)
			b.Phases[t.phase(w.Ended)].add(w)
		}
		if !mount && !all {
			continue
		}
		from := origin{Caller: caller, Path: symbols.Path(w), Comm: w.Comm, Sort: w.Flags.String()}
		if parts[from] == nil {
			parts[from] = new(sum)
		}
		parts[from].add(w)
	}
	for from, total := range parts {
		b.Parts = append(b.Parts, part{from, *total})
	}
	slices.SortFunc(b.Parts, longest)
	return b
}

// longest orders parts by their sums, the longest first.
func longest(a, b part) int {
	return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Path+a.Comm, b.Path+b.Comm))
}

// by adds up parts that have the same name.
func by(parts []part, name func(part) origin) []part {
	sums := make(map[origin]*sum)
	for _, p := range parts {
		from := name(p)
		if sums[from] == nil {
			sums[from] = new(sum)
		}
		sums[from].merge(p.sum)
	}
	var merged []part
	for from, total := range sums {
		merged = append(merged, part{from, *total})
	}
	slices.SortFunc(merged, longest)
	return merged
}

func (b *burst) String() string {
	text := fmt.Sprintf("started in %.2f s, ended in %.2f s; waits for mount locks %d, %.0f ms in all, %.1f ms at most",
		b.Starts/1000, b.Ends/1000, b.Mount.Waits, b.Mount.Total, b.Mount.Max)
	if b.Opens != nil {
		text += fmt.Sprintf("; opens: %s; in containerd's session: %s", b.Opens, b.OpensInSession)
	}
	return text
}
