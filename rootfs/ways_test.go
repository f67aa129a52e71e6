package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/mount"
	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
)

// snapshots is a snapshotter's directory with layers in it.
type snapshots struct {
	root   string
	layers [3]string // topmost first
	upper  string
	work   string
}

// newSnapshots lays layers out as the name says, below the test's directory.
func newSnapshots(t *testing.T, layout string) snapshots {
	t.Helper()
	root := t.TempDir()
	s := snapshots{root: root, upper: filepath.Join(root, "snapshots/9/fs"), work: filepath.Join(root, "snapshots/9/work")}
	for i := range s.layers {
		switch layout {
		case "overlayfs":
			s.layers[i] = filepath.Join(root, "snapshots", fmt.Sprint(8-i), "fs")
		case "scattered":
			s.layers[i] = filepath.Join(root, fmt.Sprintf("store%d/a/b/c/%d", i, i), "diff")
		case "odd names":
			s.layers[i] = filepath.Join(root, "snap,shots", fmt.Sprintf(`we:ird\%d "x"`, i), "fs")
		case "long names":
			s.layers[i] = filepath.Join(root, strings.Repeat("n", 200), strings.Repeat("m", 200), fmt.Sprint(i), "fs")
		}
		if err := os.MkdirAll(s.layers[i], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if layout == "odd names" || layout == "long names" {
		s.upper = filepath.Join(filepath.Dir(filepath.Dir(s.layers[0])), "up", "fs")
		s.work = filepath.Join(filepath.Dir(filepath.Dir(s.layers[0])), "up", "work")
	}
	for _, dir := range []string{s.upper, s.work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	buildLayers(t, s.layers)
	return s
}

// mount is the snapshot as containerd's overlay snapshotter describes it.
func (s snapshots) mount(view bool, options []string) Mount {
	o := overlay{source: "overlay", lower: s.layers[:]}
	if !view {
		o.upper, o.work = s.upper, s.work
	}
	m := o.render()
	m.Options = append(m.Options, options...)
	return m
}

var mapped = []string{"uidmap=0:100000:65536", "gidmap=0:100000:65536"}

// manyRanges maps the ids the test layers use in pieces, and in another order.
var manyRanges = []string{"uidmap=0:200000:1000,1000:300000:60000,61000:400000:5000", "gidmap=0:200000:1000,1000:300000:60000,61000:400000:5000"}

// TestWaysAgree prepares the same snapshots every way, and compares every file
// with what containerd's own mount code shows.
func TestWaysAgree(t *testing.T) {
	here := waysHere(t, WayAuto, WayDetached, WayPrivate, WayOptions, WayPlain)
	for _, layout := range []string{"overlayfs", "scattered", "odd names", "long names"} {
		for _, c := range []struct {
			name    string
			options []string
			view    bool
		}{
			{name: "plain"},
			{name: "view", view: true},
			{name: "options", options: []string{"index=off", "volatile", "nodev", "noatime", "xino=off", "metacopy=off", "redirect_dir=on"}},
			{name: "mapped", options: mapped},
			{name: "mapped view", options: mapped, view: true},
			{name: "mapped in ranges", options: append(manyRanges[:2:2], "index=off")},
		} {
			for _, way := range here {
				if way == WayPlain && (strings.HasPrefix(c.name, "mapped") || layout == "long names" && !features(t).OverlayLayerFD) {
					continue // says that it can't
				}
				t.Run(layout+"/"+c.name+"/way="+way.String(), func(t *testing.T) {
					checkSame(t, way, newSnapshots(t, layout), c.view, c.options)
				})
			}
		}
	}
}

// seen is what a snapshot looks like, before and after writing to it.
type seen struct {
	before, after map[string]entry
	upper         map[string]entry // the upper directory itself
}

// look describes what is mounted at target, and writes to it unless it is a view.
func look(target, upper string, view bool) (s seen, err error) {
	if s.before, err = readTree(target); err != nil || view {
		return s, err
	}
	// The root's inode is the upper directory's, and each has its own.
	root := s.before["."]
	root.ino = 0
	s.before["."] = root
	if err := write(target); err != nil {
		return s, err
	}
	if s.after, err = readTree(target); err != nil {
		return s, err
	}
	s.upper, err = readTree(upper)
	return seen{s.before, withoutInodes(s.after), withoutInodes(s.upper)}, err
}

// write changes a snapshot in each way that overlayfs has to do something for.
func write(target string) error {
	at := func(rel string) string { return filepath.Join(target, rel) }
	f, err := os.OpenFile(at("merged/from-base"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(" and more")
	return errors.Join(err, f.Close(),
		os.Chmod(at("linked/a"), 0o600),
		os.Chown(at("etc/shadow"), 100001, 100002),
		os.Remove(at("etc/passwd")),
		os.Mkdir(at("gone"), 0o750),
		os.WriteFile(at("gone/new"), []byte("new"), 0o640),
		os.RemoveAll(at("opaque")),
		os.Rename(at("bin/su"), at("bin/sudo")),
		unix.Setxattr(at("bin/capable"), "user.more", []byte("1"), 0))
}

func checkSame(t *testing.T, way Way, s snapshots, view bool, options []string) {
	m := s.mount(view, options)
	p := newPreparer(t, way)
	target := t.TempDir()
	r := mustPrepare(t, p, mustParse(t, m))
	var got seen
	inNamespace(t, func() (err error) {
		if err := r.Attach(target); err != nil {
			return err
		}
		got, err = look(target, s.upper, view)
		return err
	})
	want := lookByContainerd(t, s, view, options)
	for _, tree := range []struct {
		name      string
		want, got map[string]entry
	}{{"before", want.before, got.before}, {"after", want.after, got.after}, {"upper", want.upper, got.upper}} {
		for _, d := range differences(tree.want, tree.got) {
			t.Errorf("%s: %s", tree.name, d)
		}
	}
	if len(want.before) < 15 || !view && len(want.upper) < 10 {
		t.Errorf("only %d and %d files to compare", len(want.before), len(want.upper))
	}
}

// lookByContainerd is what containerd's core/mount makes of the same layers, with
// fresh writable directories. It cannot take apart paths with escapes, so layers
// are bound to plain ones.
func lookByContainerd(t *testing.T, s snapshots, view bool, options []string) (got seen) {
	t.Helper()
	base := t.TempDir()
	theirs := snapshots{upper: filepath.Join(base, "up/fs"), work: filepath.Join(base, "up/work")}
	dirs := []string{theirs.upper, theirs.work, filepath.Join(base, "target"), filepath.Join(base, "tmp")}
	for i := range s.layers {
		theirs.layers[i] = filepath.Join(base, "snapshots", fmt.Sprint(i), "fs")
		dirs = append(dirs, theirs.layers[i])
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m := theirs.mount(view, options)
	inNamespace(t, func() (err error) {
		for i, layer := range s.layers {
			if err := bindTo(layer, theirs.layers[i]); err != nil {
				return err
			}
		}
		// Where containerd id-maps: else it would be the host's /tmp.
		mount.SetTempMountLocation(dirs[3])
		if err := mount.All([]mount.Mount{{Type: m.Type, Source: m.Source, Options: m.Options}}, dirs[2]); err != nil {
			return fmt.Errorf("containerd: %w", err)
		}
		got, err = look(dirs[2], theirs.upper, view)
		return err
	})
	return got
}

// bindTo shows a directory at another path, in the calling thread's namespace.
func bindTo(source, target string) error {
	m, err := kernel.OpenTree(nil, source, kernel.TreeClone)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Attach(nil, target)
}
