package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/mount"

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

// overlay is the snapshot as containerd's overlay snapshotter describes it.
func (s snapshots) overlay(extra ...string) Mount {
	o := overlay{source: "overlay", lower: s.layers[:], upper: s.upper, work: s.work}
	m := o.render()
	m.Options = append(m.Options, extra...)
	return m
}

func (s snapshots) view(extra ...string) Mount {
	o := overlay{source: "overlay", lower: s.layers[:]}
	m := o.render()
	m.Options = append(m.Options, extra...)
	return m
}

var mapped = []string{"uidmap=0:100000:65536", "gidmap=0:100000:65536"}

// manyRanges maps the ids the test layers use in pieces, and in another order.
var manyRanges = []string{"uidmap=0:200000:1000,1000:300000:60000,61000:400000:5000", "gidmap=0:200000:1000,1000:300000:60000,61000:400000:5000"}

// allWays are those that can be tried on this kernel.
var allWays = []Way{WayAuto, WayDetached, WayPrivate, WayOptions, WayPlain}

// TestWaysAgree prepares the same snapshots every way, and compares every file
// with what containerd's own mount code shows.
func TestWaysAgree(t *testing.T) {
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
			for _, way := range allWays {
				if way == WayPlain && strings.HasPrefix(c.name, "mapped") {
					continue
				}
				t.Run(layout+"/"+c.name+"/"+way.String(), func(t *testing.T) {
					s := newSnapshots(t, layout)
					m := s.overlay(c.options...)
					if c.view {
						m = s.view(c.options...)
					}
					checkSame(t, way, layout, s, m)
				})
			}
		}
	}
}

func checkSame(t *testing.T, way Way, layout string, s snapshots, m Mount) {
	p := newPreparer(t, way)
	target := t.TempDir()
	r := mustPrepare(t, p, mustParse(t, m))
	var got map[string]entry
	inNamespace(t, func() error {
		if err := r.Attach(target); err != nil {
			return err
		}
		var err error
		got, err = readTree(target)
		return err
	})
	want := containerdTree(t, layout, s, m)
	for _, d := range differences(want, got) {
		t.Error(d)
	}
	if len(want) < 15 {
		t.Errorf("only %d files to compare", len(want))
	}
}

// containerdTree is what containerd's core/mount makes of the mount. Where it
// cannot take the layers' paths apart, they are reached by symlinks.
func containerdTree(t *testing.T, layout string, s snapshots, m Mount) map[string]entry {
	t.Helper()
	if layout == "odd names" {
		aliases := t.TempDir()
		for i, layer := range s.layers {
			alias := filepath.Join(aliases, fmt.Sprint(i))
			if err := os.Mkdir(alias, 0o755); err != nil {
				t.Fatal(err)
			}
			s.layers[i] = filepath.Join(alias, "fs")
			if err := os.Mkdir(s.layers[i], 0o755); err != nil {
				t.Fatal(err)
			}
			_ = layer
		}
		buildLayers(t, s.layers)
	}
	// The first mount has filled the work directory: give it fresh ones.
	base := t.TempDir()
	upper, work := filepath.Join(base, "fs"), filepath.Join(base, "work")
	for _, dir := range []string{upper, work} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	o := overlay{source: "overlay", lower: s.layers[:]}
	var keep []string
	for _, option := range m.Options {
		switch {
		case strings.HasPrefix(option, "upperdir="):
			o.upper, o.work = upper, work
		case strings.HasPrefix(option, "lowerdir=") || strings.HasPrefix(option, "workdir="):
		default:
			keep = append(keep, option)
		}
	}
	theirs := o.render()
	theirs.Options = append(theirs.Options, keep...)
	target := t.TempDir()
	var tree map[string]entry
	inNamespace(t, func() error {
		// containerd id-maps in a temporary directory of the host.
		mount.SetTempMountLocation(t.TempDir())
		err := mount.All([]mount.Mount{{Type: theirs.Type, Source: theirs.Source, Options: theirs.Options}}, target)
		if err != nil {
			return fmt.Errorf("containerd: %w", err)
		}
		defer kernel.Unmount(target, kernel.UnmountDetach)
		tree, err = readTree(target)
		return err
	})
	return tree
}
