package service

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"
)

func TestMessageRoundTrip(t *testing.T) {
	for _, m := range []*message{
		{kind: kindStats},
		{kind: kindLease, node: -1, limit: time.Second, hold: time.Minute},
		{kind: kindReply, status: 22, payload: []byte("words")},
		{kind: kindWork, node: 7, payload: make([]byte, MaxPayload)},
	} {
		b, err := m.encode()
		must(t, err)
		got, files, err := decode(b)
		must(t, err)
		if files != 0 || got.kind != m.kind || got.node != m.node || got.status != m.status || got.limit != m.limit ||
			got.hold != m.hold || !bytes.Equal(got.payload, m.payload) {
			t.Errorf("sent %+v, got %+v", m, got)
		}
	}
	if _, err := (&message{kind: kindWork, payload: make([]byte, MaxPayload+1)}).encode(); !errors.Is(err, errLong) {
		t.Errorf("%v, want %v", err, errLong)
	}
}

func packet(change func(b []byte)) []byte {
	b, _ := (&message{kind: kindLease}).encode()
	change(b)
	return b
}

func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":           {nil, errShort},
		"half a header":     {packet(func([]byte) {})[:headerSize-1], errShort},
		"too long":          {make([]byte, maxPacket+1), errLong},
		"version 0":         {packet(func(b []byte) { b[0] = 0 }), errVersion},
		"version 2":         {packet(func(b []byte) { b[0] = 2 }), errVersion},
		"kind 0":            {packet(func(b []byte) { b[2] = 0 }), errKind},
		"kind 6":            {packet(func(b []byte) { b[2] = 6 }), errKind},
		"too many files":    {packet(func(b []byte) { b[4] = MaxFiles + 1 }), errHeader},
		"not zero":          {packet(func(b []byte) { b[6] = 1 }), errHeader},
		"limit in the past": {packet(func(b []byte) { b[23] = 0x80 }), errHeader},
		"negative hold":     {packet(func(b []byte) { b[31] = 0x80 }), errHeader},
	} {
		if m, _, err := decode(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v; want %v", name, m, err, c.want)
		}
	}
}

// FuzzDecode: nothing crashes, and what is understood means the same when it is
// said again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(packet(func([]byte) {}))
	f.Add(append(packet(func(b []byte) { b[2], b[4] = byte(kindWork), 3 }), "payload"...))
	f.Add(packet(func(b []byte) { b[2], b[12] = byte(kindReply), 22 }))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, files, err := decode(b)
		if err != nil {
			return
		}
		if files > MaxFiles || len(m.payload) > MaxPayload {
			t.Fatalf("understood %d files and %d bytes", files, len(m.payload))
		}
		again, err := m.encode()
		must(t, err)
		same, _, err := decode(again)
		must(t, err)
		if !reflect.DeepEqual(m, same) {
			t.Errorf("%+v, and then %+v", m, same)
		}
	})
}

// FuzzSession: whatever a client sends, the service lives on.
func FuzzSession(f *testing.F) {
	r := serve(f, Config{})
	f.Add([]byte("x"), []byte("y"))
	f.Add(packet(func([]byte) {}), packet(func(b []byte) { b[2] = byte(kindRelease) }))
	f.Add(packet(func(b []byte) { b[2] = byte(kindStats) }), packet(func(b []byte) { b[2] = byte(kindStats) }))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		conn := r.connect(t)
		for _, b := range [][]byte{first, second} {
			if len(b) > 0 && len(b) < 1<<16 {
				_, _ = conn.Write(b) // the server may have closed the connection
			}
		}
		conn.Close()
		r.works(t)
	})
}
