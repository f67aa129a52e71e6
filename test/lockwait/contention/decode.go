package contention

import (
	"bytes"
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// kind says what an event is.
type kind uint8

const (
	begin kind = iota
	end
	named  // a thread has got a name
	forked // a thread was made
)

// event is one record of the kernel's, decoded.
type event struct {
	time  uint64 // CLOCK_MONOTONIC, nanoseconds
	kind  kind
	cpu   uint32
	pid   uint32 // process
	tid   uint32 // thread
	lock  uint64 // begin, end: the lock's address
	flags Flags  // begin: what sort of lock
	stack int32  // begin: number of the stack
	other uint32 // forked: the thread that made it
	comm  string // named: the name
}

// Types of records, from enum perf_event_type.
const (
	recordLost   = 2
	recordComm   = 3
	recordFork   = 7
	recordSample = 9
)

// errShort says that a record ends before what it must hold.
var errShort = errors.New("record from the kernel is too short")

// reader takes numbers off the front of a record. After its end all are 0.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.short, r.rest = true, nil
		return make([]byte, 8)
	}
	head := r.rest[:n]
	r.rest = r.rest[n:]
	return head
}

func (r *reader) u32() uint32 { return binary.NativeEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.NativeEndian.Uint64(r.take(8)) }

// decoder turns records into events.
type decoder struct {
	begin, end tracepoint
	begins     map[uint64]bool // ids of the events of contention_begin; others are of contention_end
	stacks     stackTable
	events     []event
	lost       uint64 // records that had no room
}

// sampleType is what every sample holds, in the order in which sample reads it.
const sampleType = unix.PERF_SAMPLE_IDENTIFIER | unix.PERF_SAMPLE_TID | unix.PERF_SAMPLE_TIME |
	unix.PERF_SAMPLE_CPU | unix.PERF_SAMPLE_CALLCHAIN | unix.PERF_SAMPLE_RAW

// trailerSize is that of what follows every other record (sample_id_all): TID,
// TIME, CPU, IDENTIFIER.
const trailerSize = 32

// decode takes one record.
func (d *decoder) decode(record uint32, body []byte) error {
	r := reader{rest: body}
	switch record {
	case recordSample:
		d.sample(&r)
	case recordComm:
		d.comm(&r)
	case recordFork:
		d.fork(&r)
	case recordLost:
		r.u64()
		d.lost += r.u64()
	}
	if r.short {
		return errShort
	}
	return nil
}

func (d *decoder) sample(r *reader) {
	id := r.u64()
	e := event{kind: end, pid: r.u32(), tid: r.u32(), time: r.u64(), cpu: r.u32()}
	r.u32()
	depth := r.u64()
	if depth > maxStack+2 { // the marks between kernel and user count, too
		r.short = true
		return
	}
	chain := r.take(8 * int(depth))
	raw := r.take(int(r.u32()))
	if r.short {
		return
	}
	if !d.begins[id] {
		e.lock = field(raw, d.end.offset["lock_addr"], 8)
		d.events = append(d.events, e)
		return
	}
	e.kind, e.stack = begin, d.stacks.number(chain)
	e.lock, e.flags = field(raw, d.begin.offset["lock_addr"], 8), Flags(field(raw, d.begin.offset["flags"], 4))
	d.events = append(d.events, e)
}

// field is a number of 4 or 8 bytes in a tracepoint's raw data.
func field(raw []byte, at, size int) uint64 {
	if at+size > len(raw) {
		return 0
	}
	if size == 4 {
		return uint64(binary.NativeEndian.Uint32(raw[at:]))
	}
	return binary.NativeEndian.Uint64(raw[at:])
}

func (d *decoder) comm(r *reader) {
	e := event{kind: named, pid: r.u32(), tid: r.u32()}
	name, _, _ := bytes.Cut(r.take(len(r.rest)-trailerSize), []byte{0})
	e.comm = string(name)
	r.u64() // TID
	e.time = r.u64()
	if !r.short {
		d.events = append(d.events, e)
	}
}

func (d *decoder) fork(r *reader) {
	e := event{kind: forked, pid: r.u32()}
	r.u32()
	e.tid, e.other, e.time = r.u32(), r.u32(), r.u64()
	if !r.short {
		d.events = append(d.events, e)
	}
}
