package rootfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
)

// mountNew attaches a new filesystem at dir, in the calling thread's namespace.
func mountNew(fstype, dir string) error {
	c, err := kernel.OpenFS(fstype)
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := c.Mount(0)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Attach(nil, dir)
}

// layout makes directories for layers in a private namespace; what it returns
// are the layers, topmost first.
type layout struct {
	name   string
	make   func(root string) ([]string, error)
	groups int    // shared mounts that it takes
	alone  uint64 // layers among them that no parent reaches
}

var layouts = []layout{
	{"one parent", func(root string) ([]string, error) {
		return makeDirs(root, "s/1/fs", "s/2/fs", "s/3/fs")
	}, 1, 0},
	{"below a mount point", func(root string) ([]string, error) {
		if err := cover(root, "store"); err != nil {
			return nil, err
		}
		return makeDirs(root, "store/1", "store/2")
	}, 1, 0},
	{"on two mounts", func(root string) ([]string, error) {
		if err := cover(root, "store"); err != nil {
			return nil, err
		}
		return makeDirs(root, "store/s/1/fs", "s/2/fs", "store/s/3/fs")
	}, 2, 0},
	{"layers that are mount points", func(root string) ([]string, error) {
		dirs, err := makeDirs(root, "s/1/fs")
		if err != nil {
			return nil, err
		}
		return append(dirs, root+"/s/2/fs", root+"/s/3/fs"), errors.Join(cover(root, "s/2/fs"), cover(root, "s/3/fs"))
	}, 3, 2},
	{"symlinks inside and outside", func(root string) ([]string, error) {
		dirs, err := makeDirs(root, "s/1/fs", "s/2/real", "elsewhere/fs", "s/3")
		if err != nil {
			return nil, err
		}
		err = errors.Join(os.Symlink("real", root+"/s/2/fs"), os.Symlink(dirs[2], root+"/s/3/fs"))
		return []string{dirs[0], root + "/s/2/fs", root + "/s/3/fs"}, err
	}, 2, 1},
	{"a symlinked root", func(root string) ([]string, error) {
		if _, err := makeDirs(root, "real/s/1/fs", "real/s/2/fs"); err != nil {
			return nil, err
		}
		return []string{root + "/link/s/1/fs", root + "/link/s/2/fs"}, os.Symlink("real", root+"/link")
	}, 1, 0},
	{"dots", func(root string) ([]string, error) {
		dirs, err := makeDirs(root, "s/1/fs", "s/2/fs")
		return []string{root + "/s/2/../1/fs", dirs[1]}, err
	}, 2, 1},
	{"a mount point hides a layer of the same name", func(root string) ([]string, error) {
		dirs, err := makeDirs(root, "s/1/fs", "s/2/fs")
		if err != nil {
			return nil, err
		}
		if err := cover(root, "s/2"); err != nil {
			return nil, err
		}
		again, err := makeDirs(root, "s/2/fs")
		return []string{dirs[0], again[0]}, err
	}, 2, 0},
}

// cover hides what is at rel by a bind mount of another, new directory. It is of
// the same filesystem, for not all can be id-mapped on every kernel.
func cover(root, rel string) error {
	dirs, err := makeDirs(root, rel, "covers/"+rel)
	if err != nil {
		return err
	}
	return bindTo(dirs[1], dirs[0])
}

func makeDirs(root string, rels ...string) ([]string, error) {
	var dirs []string
	for _, rel := range rels {
		dir := filepath.Join(root, rel)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// TestReachLayers prepares layers that lie in every way, and counts the mounts
// that took.
func TestReachLayers(t *testing.T) {
	for _, l := range layouts {
		for _, way := range waysHere(t, WayDetached, WayPrivate, WayOptions) {
			t.Run(l.name+"/way="+way.String(), func(t *testing.T) {
				p := newPreparer(t, way)
				root, target := t.TempDir(), t.TempDir()
				inNamespace(t, func() error { return checkLayout(t, p, l, root, target) })
			})
		}
	}
}

func checkLayout(t *testing.T, p *Preparer, l layout, root, target string) error {
	layers, err := l.make(root)
	if err != nil {
		return err
	}
	for i, layer := range layers {
		name := filepath.Join(layer, fmt.Sprint("file", i))
		if err := errors.Join(os.WriteFile(name, nil, 0o644), os.Chown(name, i, i)); err != nil {
			return err
		}
	}
	up, err := makeDirs(root, "up/fs", "up/work")
	if err != nil {
		return err
	}
	o := overlay{source: "overlay", lower: layers, upper: up[0], work: up[1]}
	m := o.render()
	m.Options = append(m.Options, mapped...)
	r, err := p.Prepare(context.Background(), mustParse(t, m))
	if err != nil {
		return err
	}
	defer r.Close()
	if s := p.Stats(); s.Groups != l.groups || s.Ungrouped != l.alone {
		t.Errorf("got %+v, want %d groups and %d layers alone", s, l.groups, l.alone)
	}
	if err := r.Attach(target); err != nil {
		return err
	}
	for i := range layers {
		e, _, err := readEntry(filepath.Join(target, fmt.Sprint("file", i)))
		if err != nil {
			return err
		}
		if e.uid != uint32(100000+i) {
			t.Errorf("layer %d: owner %d", i, e.uid)
		}
	}
	return nil
}

// TestUnmappable asks for id-mapping where the filesystem, or a mapping that is
// there already, does not allow it.
func TestUnmappable(t *testing.T) {
	for _, way := range waysHere(t, WayDetached, WayPrivate, WayOptions) {
		p := newPreparer(t, way)
		root := t.TempDir()
		inNamespace(t, func() error {
			// Ramfs has no FS_ALLOW_IDMAP.
			if err := mountNew("ramfs", root); err != nil {
				return err
			}
			dirs, err := makeDirs(root, "s/1/fs", "s/2/fs", "up/fs", "up/work")
			if err != nil {
				return err
			}
			o := overlay{source: "overlay", lower: dirs[:2], upper: dirs[2], work: dirs[3]}
			for _, m := range []Mount{o.render(), {Type: "bind", Source: root, Options: []string{"bind"}}} {
				m.Options = append(m.Options, mapped...)
				_, err = p.Prepare(context.Background(), mustParse(t, m))
				if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), `uidmap "0:100000:65536"`) || !strings.Contains(err.Error(), root) {
					t.Errorf("%s, %s: got %v", way, m.Type, err)
				}
			}
			return nil
		})
		if s := p.Stats(); s.Groups != 0 || s.Mappings != 0 {
			t.Errorf("%s: left behind: %+v", way, s)
		}
	}
}

// TestParallel prepares many at once from one snapshotter: one mount is made,
// and gone in the end.
func TestParallel(t *testing.T) {
	for _, way := range waysHere(t, WayDetached, WayPrivate) {
		p := newPreparer(t, way)
		root := t.TempDir()
		builder{t, root}.file("s/1/fs/marker", "", 0o644, 5)
		builder{t, root}.file("s/2/fs/other", "", 0o644, 5)
		const n = 16
		results := make(chan error, n)
		roots := make(chan *Rootfs, n)
		for i := range n {
			up, err := makeDirs(root, fmt.Sprintf("up%d/fs", i), fmt.Sprintf("up%d/work", i))
			if err != nil {
				t.Fatal(err)
			}
			o := overlay{lower: []string{root + "/s/1/fs", root + "/s/2/fs"}, upper: up[0], work: up[1]}
			m := o.render()
			m.Options = append(m.Options, mapped...)
			plan := mustParse(t, m)
			go func() {
				r, err := p.Prepare(context.Background(), plan)
				roots <- r
				results <- err
			}()
		}
		for range n {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if s := p.Stats(); s.Groups != 1 || s.GroupUsers != n || s.Prepared[way] != n {
			t.Errorf("%s: got %+v", way, s)
		}
		for range n {
			if r := <-roots; r != nil {
				r.Close()
			}
		}
	}
}
