package contention

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

// Ids and layout of the tracepoints in these tests.
const (
	beginID = 7
	endID   = 8
)

func newDecoder() *decoder {
	p := tracepoint{id: 1, offset: map[string]int{"lock_addr": 8, "flags": 16}}
	return &decoder{begin: p, end: p, begins: map[uint64]bool{beginID: true}}
}

// sample is a record as the kernel writes it.
func sample(id uint64, pid, tid uint32, at time.Duration, cpu uint32, lock uint64, flags Flags, stack ...uint64) []byte {
	var b bytes.Buffer
	write := func(values ...any) {
		for _, v := range values {
			if err := binary.Write(&b, binary.NativeEndian, v); err != nil {
				panic(err)
			}
		}
	}
	write(id, pid, tid, uint64(at), cpu, uint32(0), uint64(len(stack)), stack)
	write(uint32(20), uint64(0), lock, uint32(flags))
	return b.Bytes()
}

// named is the record of a thread that got a name.
func commRecord(pid, tid uint32, name string, at time.Duration) []byte {
	padded := make([]byte, 16)
	copy(padded, name)
	var b bytes.Buffer
	for _, v := range []any{pid, tid, padded, pid, tid, uint64(at), uint32(0), uint32(0), uint64(beginID)} {
		_ = binary.Write(&b, binary.NativeEndian, v)
	}
	return b.Bytes()
}

func forkRecord(pid, parent, tid, maker uint32, at time.Duration) []byte {
	var b bytes.Buffer
	for _, v := range []any{pid, parent, tid, maker, uint64(at), make([]byte, trailerSize)} {
		_ = binary.Write(&b, binary.NativeEndian, v)
	}
	return b.Bytes()
}

func feed(t *testing.T, d *decoder, kind uint32, body []byte) {
	t.Helper()
	if err := d.decode(kind, body); err != nil {
		t.Fatal(err)
	}
}

func TestWaits(t *testing.T) {
	d := newDecoder()
	const us = time.Microsecond
	kernelMark, userMark := ^uint64(127), ^uint64(511)
	// The end comes before its beginning, as from another CPU's buffer.
	feed(t, d, recordSample, sample(endID, 10, 11, 50*us, 1, 0xa, 0))
	feed(t, d, recordSample, sample(beginID, 10, 11, 20*us, 0, 0xa, Mutex|Spin, kernelMark, 0x100, 0x200, userMark))
	feed(t, d, recordSample, sample(beginID, 10, 11, 30*us, 0, 0xa, Mutex, kernelMark, 0x101, 0x200))
	// Another lock in an interrupt meanwhile.
	feed(t, d, recordSample, sample(beginID, 10, 11, 31*us, 0, 0xb, Spin, 0x300))
	feed(t, d, recordSample, sample(endID, 10, 11, 32*us, 0, 0xb, 0))
	// Idle threads of two CPUs at one lock.
	feed(t, d, recordSample, sample(beginID, 0, 0, 60*us, 0, 0xc, Spin))
	feed(t, d, recordSample, sample(beginID, 0, 0, 61*us, 1, 0xc, Spin))
	feed(t, d, recordSample, sample(endID, 0, 0, 63*us, 0, 0xc, 0))
	feed(t, d, recordSample, sample(endID, 0, 0, 65*us, 1, 0xc, 0))
	// One without an end, one without a beginning.
	feed(t, d, recordSample, sample(beginID, 9, 9, 70*us, 0, 0xd, Spin))
	feed(t, d, recordSample, sample(endID, 8, 8, 70*us, 0, 0xd, 0))
	feed(t, d, recordComm, commRecord(10, 10, "runc", 5*us))
	feed(t, d, recordFork, forkRecord(10, 10, 11, 10, 10*us))

	waits := pair(d.events, d.stacks.stacks, map[uint32]string{10: "sh"})
	var took []time.Duration
	for _, w := range waits {
		took = append(took, w.Time())
	}
	want := []time.Duration{us, 30 * us, 3 * us, 4 * us}
	if len(took) != len(want) {
		t.Fatalf("waits of %v, want %v", took, want)
	}
	for i := range want {
		if took[i] != want[i] {
			t.Errorf("wait %d took %v, want %v", i, took[i], want[i])
		}
	}
	w := waits[1]
	if w.Comm != "runc" || w.Flags != Mutex|Spin || len(w.Stack) != 2 || w.Stack[0] != 0x100 || w.PID != 10 || w.TID != 11 {
		t.Errorf("got %+v", w)
	}
}

func TestLostIsCounted(t *testing.T) {
	d := newDecoder()
	feed(t, d, recordLost, binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, 7), 12))
	if d.lost != 12 {
		t.Errorf("lost %d", d.lost)
	}
}

// FuzzDecode must neither crash nor keep what a record that ends early holds.
func FuzzDecode(f *testing.F) {
	f.Add(uint32(recordSample), sample(beginID, 1, 2, 3, 0, 4, Mutex, 5, 6))
	f.Add(uint32(recordSample), sample(endID, 1, 2, 3, 0, 4, 0))
	f.Add(uint32(recordComm), commRecord(1, 2, "name", 3))
	f.Add(uint32(recordFork), forkRecord(1, 2, 3, 4, 5))
	f.Add(uint32(recordLost), make([]byte, 16))
	f.Add(uint32(recordSample), []byte{1})
	f.Fuzz(func(t *testing.T, kind uint32, body []byte) {
		d := newDecoder()
		if err := d.decode(kind, body); err != nil && len(d.events) > 0 {
			t.Errorf("%v, and yet %+v", err, d.events)
		}
		pair(d.events, d.stacks.stacks, make(map[uint32]string))
	})
}

func TestRingWraps(t *testing.T) {
	r := &ring{data: []byte("cdefghab")}
	if got := string(r.at(6, 5)); got != "abcde" {
		t.Errorf("got %q", got)
	}
	if got := string(r.at(8, 3)); got != "cde" {
		t.Errorf("got %q", got)
	}
}
