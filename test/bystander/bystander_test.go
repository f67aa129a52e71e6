package bystander

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tango/test/program"
)

func TestMain(m *testing.M) {
	Main() // Start executes this program
	os.Exit(m.Run())
}

func TestDuring(t *testing.T) {
	const ms = time.Millisecond
	seen := []Opened{
		{Due: 0, Began: 0, Done: time.Hour}, // before it
		{Due: 1100 * ms, Began: 1102 * ms, Done: 1103 * ms},
		{Due: 2100 * ms, Began: 2100 * ms, Done: 2107 * ms},
		{Due: 3000 * ms, Began: 0, Done: time.Hour}, // after it
	}
	o := During(seen, time.Second, 3*time.Second)
	if o == nil || o.Count != 2 || o.Late != 1 || o.Call.Max != 7 || o.Due.P50 != 5 {
		t.Errorf("got %+v", o)
	}
	if o := During(seen[:1], time.Second, 3*time.Second); o != nil {
		t.Errorf("nothing gave %+v", o)
	}
}

// TestStandBy opens a real file for a while.
func TestStandBy(t *testing.T) {
	input, end := io.Pipe()
	defer input.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := program.Now()
	time.AfterFunc(50*time.Millisecond, func() { end.Close() })
	var out bytes.Buffer
	if err := standBy(file, time.Millisecond, input, &out); err != nil {
		t.Fatal(err)
	}
	seen := make([]Opened, out.Len()/binary.Size(Opened{}))
	if err := binary.Read(&out, binary.NativeEndian, seen); err != nil || len(seen) == 0 {
		t.Fatalf("%d opens, %v", len(seen), err)
	}
	for i, o := range seen {
		if o.Due < before || o.Began < o.Due || o.Done < o.Began || i > 0 && o.Due != seen[i-1].Due+time.Millisecond {
			t.Fatalf("open %d is %+v", i, o)
		}
	}
	endless, never := io.Pipe()
	defer never.Close()
	if err := standBy(file+"-not-there", 0, endless, &out); err == nil {
		t.Error("opening nothing went well")
	}
}

// TestSessions wants a process of each kind where it belongs, and its numbers.
func TestSessions(t *testing.T) {
	for _, session := range []Session{Own, Same} {
		from := program.Now()
		p, err := Start(t.TempDir(), time.Millisecond, session)
		if err != nil {
			t.Fatal(err)
		}
		defer p.GiveUp()
		if own := sessionOf(t, p.cmd.Process.Pid) == p.cmd.Process.Pid; own != bool(session) {
			t.Errorf("session %v: it is in its own: %v", session, own)
		}
		seen, err := p.Stop()
		if err != nil || During(seen, from, program.Now()+time.Hour) == nil {
			t.Errorf("session %v: %d opens, %v", session, len(seen), err)
		}
	}
}

func sessionOf(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	session, err := strconv.Atoi(strings.Fields(rest)[3])
	if err != nil {
		t.Fatalf("%q: %v", stat, err)
	}
	return session
}

func TestNobody(t *testing.T) {
	var none *Process
	if seen, err := none.Stop(); seen != nil || err != nil {
		t.Errorf("got %v, %v", seen, err)
	}
	none.GiveUp()
}
