package program

import (
	"context"
	"errors"
	"flag"
	"path/filepath"
	"testing"
	"time"
)

func TestInts(t *testing.T) {
	var l Ints
	if err := l.Set("1, 50,100"); err != nil || l.String() != "1,50,100" {
		t.Errorf("got %v, %v", l, err)
	}
	for _, wrong := range []string{"", "0", "1,,2", "x"} {
		if err := l.Set(wrong); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}

func TestParseRefusesArguments(t *testing.T) {
	fs := flag.NewFlagSet("x", flag.ContinueOnError)
	if err := Parse(fs, []string{"more"}); err == nil {
		t.Error("an argument was taken")
	}
}

func TestSaveAndLoad(t *testing.T) {
	type report struct {
		Header
		Rows []int
	}
	h, err := NewHeader()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "report.json")
	if err := Save(path, report{h, []int{1, 2}}); err != nil {
		t.Fatal(err)
	}
	var back report
	if err := Load(path, &back); err != nil || len(back.Rows) != 2 || back.Machine != h.Machine || !back.Began.Equal(h.Began) {
		t.Errorf("got %+v, %v", back, err)
	}
	if err := Save("", nil); err != nil {
		t.Errorf("no file: %v", err)
	}
}

// TestEnded wants an interruption told instead of what it has caused, and what is
// left told always.
func TestEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	work, away := errors.New("work"), errors.New("away")
	if err := Ended(ctx, work, nil); !errors.Is(err, work) {
		t.Errorf("got %v", err)
	}
	cancel()
	if err := Ended(ctx, work, away); errors.Is(err, work) || !errors.Is(err, errInterrupted) || !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
}

func TestWords(t *testing.T) {
	if Plural(1, "round") != "round" || Plural(0, "round") != "rounds" || Milliseconds(1500*time.Microsecond) != 1.5 {
		t.Error("wrong words")
	}
}
