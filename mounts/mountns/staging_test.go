package mountns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// mountTmpfs mounts a tmpfs with a file named for it at dir, which it makes.
func mountTmpfs(dir, name string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), nil, 0o644)
}

// inFork stages the sources and calls look in a namespace that has them.
func inFork(tmpl *Template, sources []Source, look func()) error {
	staging, _, err := tmpl.Stage(sources)
	if err != nil {
		return err
	}
	defer staging.Close()
	ns, err := tmpl.Fork(func() error {
		err := staging.Attach()
		if err == nil {
			look()
		}
		return err
	})
	if err != nil {
		return err
	}
	return ns.Close()
}

// Whatever the order of a container's sources, all that the host shows below
// each of them shows in its namespace too.
func TestNoSourceHidesAnother(t *testing.T) {
	outer, inner, deepest := "/outer", "/outer/inner", "/outer/inner/deepest"
	tests := []struct {
		name    string
		sources []Source
		want    []string
	}{
		{"plain parent after child", []Source{{Path: inner}, {Path: outer}}, []string{"outer/o", "outer/inner/i"}},
		{"plain parent before child", []Source{{Path: outer}, {Path: inner}}, []string{"outer/o", "outer/inner/i"}},
		{"the same, recursive first", []Source{{Path: outer, Recursive: true}, {Path: outer}}, []string{"outer/o", "outer/inner/i", "outer/inner/deepest/d"}},
		{"plain child of recursive parent", []Source{{Path: outer, Recursive: true}, {Path: inner}}, []string{"outer/inner/i", "outer/inner/deepest/d"}},
		{"recursive child of plain parent", []Source{{Path: inner, Recursive: true}, {Path: outer}}, []string{"outer/o", "outer/inner/deepest/d"}},
		{"plain grandchild alone", []Source{{Path: deepest}}, []string{"outer/o", "outer/inner/i", "outer/inner/deepest/d"}},
		{"recursive parent last", []Source{{Path: deepest}, {Path: outer, Recursive: true}}, []string{"outer/inner/deepest/d"}},
	}
	run, dir := t.TempDir(), t.TempDir()
	onHost(t, func() error {
		tmpl, err := Open(run, run)
		if err != nil {
			return err
		}
		defer tmpl.Close()
		err = errors.Join(mountTmpfs(dir+outer, "o"), mountTmpfs(dir+inner, "i"), mountTmpfs(dir+deepest, "d"))
		if err != nil {
			return err
		}
		for _, tt := range tests {
			var sources []Source
			for _, s := range tt.sources {
				s.Path = dir + s.Path
				sources = append(sources, s)
			}
			err := inFork(tmpl, sources, func() {
				for _, file := range tt.want {
					if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
						t.Errorf("%s: %v", tt.name, err)
					}
				}
			})
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		return nil
	})
}

// What has no path on the host, or only one that is something else now, is left
// for the mount itself to find.
func TestStageLeavesAloneWhatHasNoPath(t *testing.T) {
	run := t.TempDir()
	tmpl, err := Open(run, run)
	if err != nil {
		t.Fatal(err)
	}
	defer tmpl.Close()
	deleted, err := os.Create(filepath.Join(run, "deleted"))
	if err != nil {
		t.Fatal(err)
	}
	defer deleted.Close()
	if err := os.Remove(deleted.Name()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		fmt.Sprintf("/proc/%d/ns/net", os.Getpid()),
		fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), deleted.Fd()),
		run + "/missing",
	} {
		staging, resolved, err := tmpl.Stage([]Source{{Path: path}})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if resolved[0] != path || len(staging.pieces) != 0 {
			t.Errorf("%s: resolved to %s, %d pieces", path, resolved[0], len(staging.pieces))
		}
		staging.Close()
	}
}

// /var/run is a symbolic link to /run on most distributions, and containerd may
// be configured with either.
func TestTemplateHasTheMountBehindALink(t *testing.T) {
	dir := t.TempDir()
	onHost(t, func() error {
		real, link := dir+"/real", dir+"/link"
		if err := mountTmpfs(real, "here"); err != nil {
			return err
		}
		if err := os.Symlink("real", link); err != nil {
			return err
		}
		if err := os.Mkdir(real+"/bundles", 0o700); err != nil {
			return err
		}
		for _, need := range []string{link + "/bundles", link} {
			tmpl, err := Open(t.TempDir(), need)
			if err != nil {
				return err
			}
			err = inFork(tmpl, nil, func() {
				if _, err := os.Stat(link + "/here"); err != nil {
					t.Errorf("need %s: %v", need, err)
				}
			})
			if err := errors.Join(err, tmpl.Close()); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestOpenFailsForADirectoryThatIsNotThere(t *testing.T) {
	run := t.TempDir()
	if tmpl, err := Open(run, run+"/missing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("err %v, template %v", err, tmpl)
	}
}

// Of a template that doesn't show what is needed, because the host has mounted
// something there meanwhile, a second one is made.
func TestTemplateThatShowsTooLittleIsNotTakenOver(t *testing.T) {
	run, dir := t.TempDir(), t.TempDir()
	need := dir + "/bundles"
	onHost(t, func() error {
		if err := mountTmpfs(dir, "first"); err != nil {
			return err
		}
		if err := os.Mkdir(need, 0o700); err != nil {
			return err
		}
		first, err := Open(run, need)
		if err != nil {
			return err
		}
		defer first.Close()
		if err := mountTmpfs(dir, "second"); err != nil {
			return err
		}
		if err := os.Mkdir(need, 0o700); err != nil {
			return err
		}
		second, err := Open(run, need)
		if err != nil {
			return err
		}
		defer second.Close()
		if same, err := first.ns.Same(second.ns); err != nil || same {
			t.Errorf("same = %v, %v; want a new template", same, err)
		}
		if same, err := second.shows(need); err != nil || !same {
			t.Errorf("new template shows what is needed: %v, %v", same, err)
		}
		return nil
	})
}

func TestForkFailsWithWhatFillsIt(t *testing.T) {
	run := t.TempDir()
	tmpl, err := Open(run, run)
	if err != nil {
		t.Fatal(err)
	}
	defer tmpl.Close()
	want := errors.New("does not fit")
	if ns, err := tmpl.Fork(func() error { return want }); !errors.Is(err, want) || ns != nil {
		t.Errorf("Fork: %v, %v", ns, err)
	}
	if ns, err := ForkHost(func() error { return want }); !errors.Is(err, want) || ns != nil {
		t.Errorf("ForkHost: %v, %v", ns, err)
	}
}
