package rootfs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// stValid is set in all flags of statfs (ST_VALID, include/linux/statfs.h).
const stValid = 0x20

// TestTmpfs mounts a filesystem that needs no device, with options and flags.
func TestTmpfs(t *testing.T) {
	m := Mount{Type: "tmpfs", Source: "scratch", Options: []string{"size=1m,mode=1711", "nosuid", "ro"}}
	r := mustPrepare(t, newPreparer(t, WayAuto), mustParse(t, m))
	target := t.TempDir()
	inNamespace(t, func() error {
		if err := r.Attach(target); err != nil {
			return err
		}
		var fs unix.Statfs_t
		if err := unix.Statfs(target, &fs); err != nil {
			return err
		}
		if fs.Type != unix.TMPFS_MAGIC || fs.Blocks*uint64(fs.Bsize) != 1<<20 {
			t.Errorf("got %+v", fs)
		}
		if want := int64(unix.ST_RDONLY | unix.ST_NOSUID | unix.ST_RELATIME); fs.Flags&^stValid != want {
			t.Errorf("got flags %#x, want %#x", fs.Flags, want)
		}
		e, _, err := readEntry(target)
		if e.mode&0o7777 != 0o1711 {
			t.Errorf("got mode %o", e.mode)
		}
		return err
	})
}

// TestLoop mounts an ext4 image, with and without id-mapping, and checks that
// its loop device is gone afterwards.
func TestLoop(t *testing.T) {
	if _, err := os.Stat("/dev/loop-control"); errors.Is(err, os.ErrNotExist) {
		t.Skip("NOT TESTED on this kernel: it has no loop devices, or no module for them")
	}
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 8<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	for _, c := range []struct {
		options []string
		owner   uint32
	}{
		{[]string{"loop", "direct-io", "rw"}, 0},
		{[]string{"loop", "ro", "noload"}, 0},
		{append(mapped[:2:2], "loop"), 100000},
	} {
		p := New(Config{Features: features(t)})
		r := mustPrepare(t, p, mustParse(t, Mount{Type: "ext4", Source: image, Options: c.options}))
		target := t.TempDir()
		inNamespace(t, func() error {
			if err := r.Attach(target); err != nil {
				return err
			}
			e, _, err := readEntry(filepath.Join(target, "lost+found"))
			if e.uid != c.owner {
				t.Errorf("%q: got owner %d", c.options, e.uid)
			}
			return err
		})
		r.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		// Two devices on one image would ruin it.
		waitUnused(t, image)
	}
}

// waitUnused waits until no loop device has the file. The kernel takes a device
// apart when the last mount of it goes, which the end of a namespace only starts.
func waitUnused(t *testing.T, image string) {
	t.Helper()
	for {
		found := false
		files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name, err := os.ReadFile(file)
			found = found || err == nil && strings.TrimSpace(string(name)) == image
		}
		if !found {
			return
		}
		unix.Nanosleep(&unix.Timespec{Nsec: 5e6}, nil)
		if t.Context().Err() != nil {
			t.Fatal("loop device still there")
		}
	}
}

// TestSeveral attaches mounts below each other, the place of one given by a
// symlink in the image that leads out of it.
func TestSeveral(t *testing.T) {
	s := newSnapshots(t, "overlayfs")
	b := builder{t, s.layers[0]}
	b.mkdir("data", 0o755, 0)
	b.do(os.Symlink("/data", b.path("link")))
	b.mkdir("run", 0o755, 0)
	extra := t.TempDir()
	builder{t, extra}.file("marker", "extra", 0o644, 0)
	builder{t, extra}.mkdir("deep", 0o755, 0)
	plan := mustParse(t, s.mount(false, nil),
		Mount{Type: "bind", Source: extra, Target: "link", Options: []string{"bind"}},
		Mount{Type: "tmpfs", Source: "tmpfs", Target: "/data/deep", Options: []string{"mode=700"}},
		Mount{Type: "tmpfs", Source: "tmpfs", Target: "../run", Options: []string{"mode=711"}})
	r := mustPrepare(t, newPreparer(t, WayAuto), plan)
	tree := attachedTree(t, r)
	if tree["data/marker"].size != 5 || tree["data/deep"].mode&0o777 != 0o700 || tree["run"].mode&0o777 != 0o711 {
		t.Errorf("got %+v", tree)
	}
	if _, err := os.Stat(filepath.Join(s.upper, "data")); err == nil {
		t.Error("the mounts left something in the upper directory")
	}
}
