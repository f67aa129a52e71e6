package operator

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tango/shim/telemetry"
)

func TestDrawn(t *testing.T) {
	got := drawn("one\ntwo\nthree µs\nfour\nfive\n\n", 4, 7)
	want := screenTop + "one" + restOfLine + "\ntwo" + restOfLine + "\nthree µ" + restOfLine + "\n... 2 l" + restOfLine + restOfPlace
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := drawn("one\ntwo\n", 2, 80); strings.Contains(got, "more") || strings.Count(got, "\n") != 1 {
		t.Errorf("%q", got)
	}
}

// A file gets no orders to a terminal.
func TestTopIntoFile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := (&Top{Time: time.Now(), Ps: &Ps{}}).print(f, false); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(f.Name()); err != nil || strings.Contains(string(text), "\x1b") || !strings.Contains(string(text), "0 shims") {
		t.Errorf("%q, %v", text, err)
	}
}

// What happened between two looks counts, and all of it after a new start of the
// collector.
func TestMeans(t *testing.T) {
	since := time.Unix(100, 0)
	look := func(since time.Time, n uint64, sum time.Duration) *Top {
		p := telemetry.PhaseTimes{Op: "create", Phase: "total", Arm: "tango", Times: telemetry.Histogram{Count: n, Sum: sum}}
		return &Top{Stats: &telemetry.Snapshot{Since: since, Phases: []telemetry.PhaseTimes{p}}}
	}
	first := look(since, 10, time.Second)
	if m := means(first, look(since, 12, 3*time.Second)); m["create tango"] != time.Second {
		t.Errorf("%v", m)
	}
	if m := means(first, look(since.Add(time.Hour), 2, 3*time.Second)); m["create tango"] != 1500*time.Millisecond {
		t.Errorf("%v after a new start", m)
	}
	if m := means(first, first); len(m) != 0 {
		t.Errorf("%v of nothing", m)
	}
}
