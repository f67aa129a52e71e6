package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/test/private"
)

// TestMain runs the tests in a mount namespace of their own.
func TestMain(m *testing.M) {
	if err := private.Enter(); err != nil {
		fmt.Fprintln(os.Stderr, "these tests mount:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// newTestBed is a small bed that the test takes away; whatever is left mounted
// then makes the test fail.
func newTestBed(t *testing.T, slots int) *bed {
	t.Helper()
	b, err := newBed("/tmp", 3, slots) // not t.TempDir(): long paths leave no room for layers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(b.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", b.dir, err)
		}
	})
	return b
}

// open opens a way; where the kernel cannot do it, there is nothing to test.
func open(t *testing.T, name string, b *bed) way {
	t.Helper()
	w, err := openWay(name, b)
	if errors.Is(err, errCannotHere) {
		t.Skip("NOT TESTED:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestRoots looks at a root of every way: all layers, the topmost first, with the
// owners mapped, writable; and nothing left when it is gone.
func TestRoots(t *testing.T) {
	for _, name := range wayNames() {
		t.Run(name, func(t *testing.T) {
			b := newTestBed(t, 1)
			w := open(t, name, b)
			s := <-b.free
			if err := kernel.InNewThread(func() error { return w.build(context.Background(), s) }); err != nil {
				t.Fatal(err)
			}
			checkRoot(t, s)
			if left := mountsBelow(t, s.dir); len(left) != 1 {
				t.Errorf("%d mounts while a root is there: %v", len(left), left)
			}
			gone := make(chan error, 1)
			w.remove(s, func(err error) { gone <- err })
			if err := w.close(); err != nil {
				t.Error(err)
			}
			if err := <-gone; err != nil {
				t.Error(err)
			}
			if left := mountsBelow(t, b.dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func checkRoot(t *testing.T, s *slot) {
	t.Helper()
	top, err := os.ReadFile(filepath.Join(s.root(), "etc/layer"))
	if err != nil || string(top) != "2" {
		t.Errorf("the topmost layer is %q, %v", top, err)
	}
	for i := range 3 {
		info, err := os.Stat(filepath.Join(s.root(), fmt.Sprintf("etc/layer%d", i)))
		if err != nil {
			t.Error(err)
		} else if owner := info.Sys().(*syscall.Stat_t).Uid; owner != mappedTo {
			t.Errorf("the files of layer %d belong to %d", i, owner)
		}
	}
	if err := os.WriteFile(filepath.Join(s.root(), "new"), nil, 0o600); err != nil {
		t.Error(err)
	}
}

func mountsBelow(t *testing.T, dir string) []string {
	t.Helper()
	lines, err := private.Table()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, line := range lines {
		if fields := strings.Fields(line); strings.HasPrefix(fields[4], dir+"/") {
			found = append(found, fields[4])
		}
	}
	return found
}

// TestMeasurePoint runs every way with some threads for a bounded count.
func TestMeasurePoint(t *testing.T) {
	b := newTestBed(t, 4+spareSlots)
	for _, name := range wayNames() {
		t.Run(name, func(t *testing.T) {
			open(t, name, b).close()
			p, err := measurePoint(context.Background(), b, name, 4, settings{time: time.Hour, count: 10}, func(int64) {})
			if err != nil {
				t.Fatal(err)
			}
			if p.Roots != 10 || p.P50 <= 0 || p.P50 > p.P99 || p.P99 > p.Max || p.rate() <= 0 {
				t.Errorf("got %+v", p)
			}
			if len(b.free) != cap(b.free) {
				t.Errorf("%d of %d slots are free", len(b.free), cap(b.free))
			}
			if left := mountsBelow(t, b.dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestPointEndsWithItsContext(t *testing.T) {
	b := newTestBed(t, 2)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := measurePoint(ctx, b, "grouped", 2, settings{time: time.Hour}, func(int64) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestFailureIsReported has a slot whose mount point is missing.
func TestFailureIsReported(t *testing.T) {
	b := newTestBed(t, 1)
	if err := unix.Rmdir(b.slots[0].root()); err != nil {
		t.Fatal(err)
	}
	for _, name := range wayNames() {
		t.Run(name, func(t *testing.T) {
			open(t, name, b).close()
			if p, err := measurePoint(context.Background(), b, name, 1, settings{time: time.Hour}, func(int64) {}); err == nil {
				t.Errorf("got %+v", p)
			}
			if left := mountsBelow(t, b.dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestTooManyLayers(t *testing.T) {
	b := newTestBed(t, 1)
	b.layers = maxLayers
	if _, err := newGrouped(b); err == nil || !strings.Contains(err.Error(), "fewer layers") {
		t.Errorf("got %v", err)
	}
}

// TestBedStaysWhileInUse: what is mounted must not be deleted through.
func TestBedStaysWhileInUse(t *testing.T) {
	b := newTestBed(t, 1)
	w := open(t, "grouped", b)
	if err := w.build(context.Background(), b.slots[0]); err != nil {
		t.Fatal(err)
	}
	users := b.users
	b.users = nil // for the second close
	defer users.Close()
	if err := b.close(); !errors.Is(err, unix.EBUSY) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(b.slots[0].root(), "etc/layer")); err != nil {
		t.Error(err)
	}
	w.remove(b.slots[0], func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
}

func TestPin(t *testing.T) {
	before, err := allowed()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		done <- func() error {
			if err := (place{node: 0, socket: -1, cache: -1}).pin(); err != nil {
				return err
			}
			now, err := allowed()
			if err == nil && (now.Len() == 0 || now.Minus(before).Len() > 0) {
				err = fmt.Errorf("runs on %s, before on %s", now, before)
			}
			return err
		}()
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
