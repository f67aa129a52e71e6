package rootfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/containerd/v2/core/mount"
	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
)

// TestBind compares bind snapshots with containerd's, writing through them too.
func TestBind(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []string
	}{
		{"rw", []string{"rw", "rbind"}},
		{"ro", []string{"ro", "rbind"}},
		{"single", []string{"bind"}},
		{"mapped", append(mapped[:2:2], "rw", "rbind")},
		{"mapped in ranges", append(manyRanges[:2:2], "rw", "bind")},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSnapshots(t, "overlayfs")
			m := Mount{Type: "bind", Source: s.layers[2], Options: c.options}
			var want map[string]entry
			target := t.TempDir()
			inNamespace(t, func() (err error) {
				if err := mount.All([]mount.Mount{{Type: m.Type, Source: m.Source, Options: m.Options}}, target); err != nil {
					return err
				}
				want, err = readTree(target)
				return err
			})
			got := attachedTree(t, mustPrepare(t, newPreparer(t, WayAuto), mustParse(t, m)))
			for _, d := range differences(want, got) {
				t.Error(d)
			}
		})
	}
}

// attachedTree is what is seen below a root filesystem.
func attachedTree(t *testing.T, r *Rootfs) map[string]entry {
	t.Helper()
	var tree map[string]entry
	target := t.TempDir()
	inNamespace(t, func() (err error) {
		if err := r.Attach(target); err != nil {
			return err
		}
		tree, err = readTree(target)
		return err
	})
	return tree
}

// TestBindReadOnlyMapped checks what containerd's own mount code forgets: it
// returns after making a bind read-only, before it would map its ids.
func TestBindReadOnlyMapped(t *testing.T) {
	s := newSnapshots(t, "overlayfs")
	m := Mount{Type: "bind", Source: s.layers[2], Options: append(mapped[:2:2], "ro", "rbind")}
	r := mustPrepare(t, newPreparer(t, WayAuto), mustParse(t, m))
	target := t.TempDir()
	inNamespace(t, func() error {
		if err := r.Attach(target); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(target, "new"), nil, 0o644); !errors.Is(err, unix.EROFS) {
			t.Errorf("writing: got %v, want EROFS", err)
		}
		e, _, err := readEntry(filepath.Join(target, "etc/shadow"))
		if e.uid != 100042 || e.gid != 100043 {
			t.Errorf("got owner %d:%d", e.uid, e.gid)
		}
		return err
	})
}

// TestBindSubmounts checks that rbind takes along what is mounted below the
// source, with the same mapping, and that bind does not.
func TestBindSubmounts(t *testing.T) {
	for _, c := range []struct {
		how    string
		marker bool
	}{{"rbind", true}, {"bind", false}} {
		for _, options := range [][]string{nil, mapped[:2:2]} {
			source, target := t.TempDir(), t.TempDir()
			sub, other := filepath.Join(source, "sub"), t.TempDir()
			builder{t, other}.file("marker", "below", 0o644, 0)
			if err := os.Mkdir(sub, 0o755); err != nil {
				t.Fatal(err)
			}
			p := newPreparer(t, WayAuto)
			inNamespace(t, func() error {
				below, err := kernel.OpenTree(nil, other, kernel.TreeClone)
				if err != nil {
					return err
				}
				defer below.Close()
				if err := below.Attach(nil, sub); err != nil {
					return err
				}
				r, err := p.Prepare(context.Background(), mustParse(t, Mount{Type: "bind", Source: source, Options: append(options[:len(options):len(options)], c.how)}))
				if err != nil {
					return err
				}
				defer r.Close()
				if err := r.Attach(target); err != nil {
					return err
				}
				e, _, err := readEntry(filepath.Join(target, "sub/marker"))
				if seen := err == nil; seen != c.marker {
					t.Errorf("%s %v: submount seen: %v", c.how, options, seen)
				} else if want := uint32(100000 * len(options) / 2); seen && e.uid != want {
					t.Errorf("%s %v: owner %d below, want %d", c.how, options, e.uid, want)
				}
				return nil
			})
		}
	}
}

// TestBindPropagatesNothing mounts something inside of a bound root filesystem
// and looks for it in the snapshot's directory.
func TestBindPropagatesNothing(t *testing.T) {
	source, target := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(source, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := newPreparer(t, WayAuto)
	inNamespace(t, func() error {
		if err := kernel.SetPropagation("/", kernel.Shared, true); err != nil {
			return err
		}
		r, err := p.Prepare(context.Background(), mustParse(t, Mount{Type: "bind", Source: source, Options: []string{"rbind"}}))
		if err != nil {
			return err
		}
		defer r.Close()
		if err := r.Attach(target); err != nil {
			return err
		}
		c, err := kernel.OpenFS("tmpfs")
		if err != nil {
			return err
		}
		defer c.Close()
		tmpfs, err := c.Mount(0)
		if err != nil {
			return err
		}
		defer tmpfs.Close()
		if err := tmpfs.Attach(nil, filepath.Join(target, "dir")); err != nil {
			return err
		}
		inside, err := findDir(filepath.Join(target, "dir"))
		if err != nil {
			return err
		}
		outside, err := findDir(filepath.Join(source, "dir"))
		if inside.sameFile(outside) {
			t.Error("a mount in the container appeared in the snapshot")
		}
		return err
	})
}

// TestBindFile binds a single file.
func TestBindFile(t *testing.T) {
	dir := t.TempDir()
	source, target := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	builder{t, dir}.file("a", "content", 0o644, 0)
	builder{t, dir}.file("b", "", 0o644, 0)
	r := mustPrepare(t, newPreparer(t, WayAuto), mustParse(t, Mount{Type: "bind", Source: source, Options: []string{"bind", "ro"}}))
	inNamespace(t, func() error {
		if err := r.Attach(target); err != nil {
			return err
		}
		content, err := os.ReadFile(target)
		if string(content) != "content" {
			t.Errorf("got %q", content)
		}
		return err
	})
}
