package container

import (
	"errors"
	"os"
	"testing"
	"time"
)

func TestExitRecord(t *testing.T) {
	bundle := t.TempDir()
	if _, err := loadExit(bundle); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a record: %v", err)
	}
	at := time.Now()
	for _, status := range []int{0, 137} {
		if err := saveExit(bundle, 42, Exit{Status: status, At: at}); err != nil {
			t.Fatal(err)
		}
		r, err := loadExit(bundle)
		if err != nil {
			t.Fatal(err)
		}
		if l := r.lost(); l.Pid != 42 || l.Exit.Status != status || !l.Exit.At.Equal(at) {
			t.Errorf("got %+v, want pid 42, status %d, %v", l, status, at)
		}
	}
	names, err := os.ReadDir(bundle)
	if err != nil || len(names) != 1 {
		t.Errorf("bundle has %v, %v; want the record alone", names, err)
	}
}

func TestUselessExitRecord(t *testing.T) {
	for _, data := range []string{"", "{", "null", "{}", `{"pid":1,"status":0}`, `{"pid":0,"status":1,"at":"2026-01-02T03:04:05Z"}`, `{"pid":1,"status":-1,"at":"2026-01-02T03:04:05Z"}`} {
		bundle := t.TempDir()
		if err := os.WriteFile(exitPath(bundle), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := loadExit(bundle); err == nil {
			t.Errorf("%q was read as %+v", data, r)
		}
	}
}
