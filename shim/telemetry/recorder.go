package telemetry

import (
	"os"
	"sync"
	"time"
)

// Recorder makes one Record. A nil Recorder records nothing. Its methods may be
// called by several goroutines; what comes after End is lost.
type Recorder struct {
	sender *Sender
	began  time.Time

	mu     sync.Mutex // guards the following
	record Record
	last   string // phase that ended last: on an error, the one that failed
	ended  bool
}

// Begin starts a record of an operation that begins now. r says whose. A nil
// Sender gives a nil Recorder.
func (s *Sender) Begin(r Record) *Recorder {
	if s == nil {
		return nil
	}
	now := time.Now()
	r.Time, r.Shim = now, os.Getpid()
	return &Recorder{sender: s, began: now, record: r}
}

// Phase begins a phase. The returned function ends it:
//
//	defer rec.Phase("rootfs")()
func (r *Recorder) Phase(name string) (end func()) {
	if r == nil {
		return func() {}
	}
	at := time.Since(r.began)
	return func() {
		took := time.Since(r.began) - at
		r.mu.Lock()
		defer r.mu.Unlock()
		r.last = name
		if len(r.record.Phases) < maxPhases {
			r.record.Phases = append(r.record.Phases, Phase{Name: name, At: at, Took: took})
		}
	}
}

// Count adds to one of the operation's counts.
func (r *Recorder) Count(name string, n int64) {
	if r == nil || n == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.record.Counts == nil {
		r.record.Counts = map[string]int64{}
	}
	r.record.Counts[name] += n
}

// Edit changes what the record says of whose operation it is, once that is known.
func (r *Recorder) Edit(edit func(*Record)) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	edit(&r.record)
}

// End completes the record and sends it. class is why the operation failed, as far
// as the caller can tell; "" with an error is the phase that failed. Only the
// first call counts.
func (r *Recorder) End(err error, class string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.ended = true
	r.record.Took = time.Since(r.began)
	r.record.Result = r.result(err, class)
	if err != nil {
		r.record.Error = clip(err.Error())
	}
	r.sender.send(r.record)
	r.record = Record{}
}

func (r *Recorder) result(err error, class string) string {
	switch {
	case err == nil:
		return ResultOK
	case class != "":
		return class
	case r.last != "":
		return r.last
	}
	return "request" // before anything was begun
}

// clip shortens an error's text. Cutting a character in two is not worth care:
// JSON replaces the half.
func clip(text string) string {
	const room = maxError / 3 // a byte that is no UTF-8 takes three
	if len(text) > room {
		return text[:room]
	}
	return text
}
