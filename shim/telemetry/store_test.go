package telemetry

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	s, err := openStore(dir, 4096)
	if err != nil {
		t.Fatal(err)
	}
	const n = 200
	for i := range n {
		r := sample()
		r.Container = fmt.Sprint(i)
		if err := s.append(&r); err != nil {
			t.Fatal(err)
		}
	}
	s.close()
	names, err := filepath.Glob(filepath.Join(dir, recordsDir, "*"))
	if err != nil || len(names) != files {
		t.Errorf("%q, %v", names, err)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || info.Size() > 4096 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	records := readAll(t, dir)
	for i, r := range records { // the last ones, in order
		if want := fmt.Sprint(n - len(records) + i); r.Container != want {
			t.Fatalf("record %d is %s, want %s", i, r.Container, want)
		}
	}
	if len(records) < 20 {
		t.Errorf("%d records kept", len(records))
	}
}

// A run directory that can't be written for a while must not end it all.
func TestStoreRecovers(t *testing.T) {
	dir := t.TempDir()
	s, err := openStore(dir, 400)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	r := sample()
	if err := s.append(&r); err != nil {
		t.Fatal(err)
	}
	hidden := s.dir + ".hidden"
	if err := os.Rename(s.dir, hidden); err != nil {
		t.Fatal(err)
	}
	if err := s.append(&r); err == nil {
		t.Fatal("no error without a directory")
	}
	if err := os.Rename(hidden, s.dir); err != nil {
		t.Fatal(err)
	}
	if err := s.append(&r); err != nil {
		t.Error(err)
	}
}

func TestReadPassesOverWhatIsNone(t *testing.T) {
	good := edited(t, func(*Record) {})
	text := strings.Join([]string{good, "", "{", strings.Repeat("x", 5*maxDatagram), good, good[:20]}, "\n")
	n := 0
	bad, err := Read(strings.NewReader(text), func(Record) { n++ })
	if n != 2 || bad != 3 || err != nil {
		t.Errorf("%d records, %d bad, %v", n, bad, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"time":"2026-01-02T03:04:05Z","op":"create","arm":"tango","container":"c","result":"ok","took":1}`))
	f.Add([]byte(`{"op":"create","phases":[{"name":"rootfs","at":-1}]}`))
	f.Add([]byte("\xff\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decode(data)
		if err != nil {
			return
		}
		tally := newTally()
		tally.add(&r)
		for _, o := range tally.snapshot().Operations {
			if !isName(o.Op) || !isName(o.Arm) || !isName(o.Result) {
				t.Errorf("%+v", o)
			}
		}
		again, err := decode(mustJSON(t, &r))
		if err != nil || !bytes.Equal(mustJSON(t, &again), mustJSON(t, &r)) {
			t.Errorf("%v: %+v became %+v", err, r, again)
		}
	})
}
