package rootfs

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func newInPlace(t *testing.T, way Way) *Preparer {
	t.Helper()
	p := New(Config{Features: features(t), Way: way, InPlace: true})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// TestInPlaceIsOneCall makes and attaches in one call what takes two otherwise.
func TestInPlaceIsOneCall(t *testing.T) {
	for _, c := range []struct {
		way     Way
		options []string
		want    []string
	}{
		{WayPlain, nil, []string{"open_tree", "mount"}},
		{WayDetached, mapped, []string{"open_tree", "mount_setattr", "open_tree", "mount"}},
	} {
		if len(waysHere(t, c.way)) == 0 {
			continue
		}
		for _, n := range []int{1, 50, 100} {
			got, files := attachInPlace(t, newInPlace(t, c.way), n, c.options, func() error { return nil })
			if want := asHere(c.want); !slices.Equal(got, want) {
				t.Errorf("%s, %d layers: calls %v, want %v", c.way, n, got, want)
			}
			if files != nil {
				t.Errorf("%s, %d layers: %v", c.way, n, files)
			}
		}
	}
}

// TestInPlaceElsewhere attaches in a namespace that doesn't show the layers.
func TestInPlaceElsewhere(t *testing.T) {
	cover := func() error { return unix.Mount("tmpfs", os.TempDir(), "tmpfs", 0, "size=1m") }
	for _, way := range append(waysHere(t, WayPlain), WayAuto) {
		got, files := attachInPlace(t, newInPlace(t, way), 5, nil, cover)
		if way == WayPlain && slices.Contains(got, "mount") {
			t.Errorf("way plain: calls %v", got)
		}
		if files != nil {
			t.Errorf("way %s: %v", way, files)
		}
	}
}

// attachInPlace returns the calls, and what is wrong with the result.
func attachInPlace(t *testing.T, p *Preparer, layers int, options []string, before func() error) (calls []string, files error) {
	t.Helper()
	plan := mustParse(t, manyLayers(t, layers, options...))
	var r *Rootfs
	calls = callLog(t, func() { r = mustPrepare(t, p, plan) })
	defer r.Close()
	inNamespace(t, func() error {
		if err := before(); err != nil {
			return err
		}
		target := "/mnt"
		var err error
		calls = append(calls, callLog(t, func() { err = r.AttachInPlace(target) })...)
		if err == nil {
			files = countFiles(target, layers)
		}
		return err
	})
	return slices.DeleteFunc(mountClass(calls), isFreeing), files
}
