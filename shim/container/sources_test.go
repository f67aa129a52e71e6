package container

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSourceNames(t *testing.T) {
	var n sourceNames
	n.add("/b/sources-7/1", "/data")
	n.add("/b/sources-7/10", "/etc/hosts")
	n.add("/same", "/same")
	cause := fmt.Errorf("cannot mount /b/sources-7/10 and /b/sources-7/1 beside /same: %w", unix.EACCES)
	got := n.restore(cause)
	if want := "cannot mount /etc/hosts and /data beside /same: permission denied"; got.Error() != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(got, unix.EACCES) {
		t.Error("the cause is lost")
	}
	if n.restore(nil) != nil {
		t.Error("made an error of none")
	}
	if err := (sourceNames)(nil).restore(cause); err != cause {
		t.Errorf("changed an error without reason: %v", err)
	}
}
