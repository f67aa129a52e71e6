package kernel

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestObserve(t *testing.T) {
	dir := private(t)
	type seen struct {
		op  string
		err error
	}
	var log []seen
	restore := Observe(func(op string, took time.Duration, err error) {
		if took <= 0 {
			t.Errorf("%s took %v", op, took)
		}
		log = append(log, seen{op, err})
	})
	defer restore()
	c := got(OpenFS("tmpfs"))(t)
	must(t, c.SetFlag("ro"))
	m := got(c.Mount(0))(t)
	must(t, c.Close())
	failed(t, m.Attach(nil, dir+"/not-there"), unix.ENOENT)
	must(t, m.Close())
	restore()
	newTmpfs(t)
	want := []seen{
		{"fsopen", nil}, {"fsconfig", nil}, {"fsconfig", nil}, {"fsmount", nil},
		{"move_mount", unix.ENOENT}, {"close", nil},
	}
	if !slices.Equal(log, want) {
		t.Errorf("got  %v\nwant %v", log, want)
	}
}

func TestInterruptedCallsAreRepeated(t *testing.T) {
	tries := 0
	must(t, call("test", func() error {
		if tries++; tries < 3 {
			return unix.EINTR
		}
		return nil
	}))
	if tries != 3 {
		t.Errorf("%d tries", tries)
	}
}
