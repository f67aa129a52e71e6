package mountns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
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

// inFork stages the sources and calls look with where they are found, in a
// namespace that has them.
func inFork(t *testing.T, tmpl *Template, bundle string, sources []Source, look func(found []string)) error {
	t.Helper()
	staging, found, err := tmpl.Stage(bundle, sources)
	if err != nil {
		return err
	}
	defer staging.Close()
	before := mountTable(t)
	ns, err := tmpl.Fork(func() error {
		err := staging.Attach()
		if err == nil {
			look(found)
		}
		return err
	})
	if err != nil {
		return err
	}
	if after := mountTable(t); len(added(before, after)) > 0 {
		t.Errorf("the host's mounts changed from %v to %v", before, after)
	}
	return ns.Close()
}

// Every source is found with all that it has on the host, whatever the others
// are, and nothing of it shows on the host, even if everything there is shared, as
// with systemd.
func TestSourcesDoNotMeet(t *testing.T) {
	const outer, inner, deepest, link = "/outer", "/outer/inner", "/outer/inner/deepest", "/link"
	type want struct{ shown, hidden []string }
	single := map[string]want{
		outer:   {[]string{"o"}, []string{"inner/i"}},
		inner:   {[]string{"i"}, []string{"deepest/d"}},
		deepest: {[]string{"d"}, nil},
		link:    {[]string{"i"}, []string{"deepest/d"}},
	}
	recursive := map[string]want{
		outer:   {[]string{"o", "inner/i", "inner/deepest/d"}, nil},
		inner:   {[]string{"i", "deepest/d"}, nil},
		deepest: {[]string{"d"}, nil},
		link:    {[]string{"i", "deepest/d"}, nil},
	}
	run, dir := t.TempDir(), t.TempDir()
	onHost(t, func() error {
		tmpl, err := Open(run, run)
		if err != nil {
			return err
		}
		defer tmpl.Close()
		err = errors.Join(mountTmpfs(dir+outer, "o"), mountTmpfs(dir+inner, "i"), mountTmpfs(dir+deepest, "d"), os.Symlink("outer/inner", dir+link))
		if err != nil {
			return err
		}
		if err := kernel.SetPropagation(dir+outer, kernel.Shared, true); err != nil {
			return err
		}
		for _, order := range [][]string{{outer, inner, deepest, link}, {link, deepest, inner, outer}, {inner, inner, outer, outer}} {
			var sources []Source
			var wants []want
			for _, path := range order {
				sources = append(sources, Source{Path: dir + path}, Source{Path: dir + path, Recursive: true, Private: true})
				wants = append(wants, single[path], recursive[path])
			}
			err := inFork(t, tmpl, run, sources, func(found []string) {
				for i, w := range wants {
					for _, file := range w.shown {
						if _, err := os.Stat(filepath.Join(found[i], file)); err != nil {
							t.Errorf("%v: source %d: %v", order, i, err)
						}
					}
					for _, file := range w.hidden {
						if _, err := os.Stat(filepath.Join(found[i], file)); err == nil {
							t.Errorf("%v: source %d shows %s", order, i, file)
						}
					}
				}
			})
			if err != nil {
				t.Error(err)
			}
		}
		return nil
	})
}

// The whole host and the directory that the bundle is in are sources like others.
func TestSourceMayHoldTheBundle(t *testing.T) {
	run, dir := t.TempDir(), t.TempDir()
	onHost(t, func() error {
		if err := mountTmpfs(dir, "here"); err != nil {
			return err
		}
		bundle := dir + "/bundle"
		if err := os.Mkdir(bundle, 0o700); err != nil {
			return err
		}
		if err := kernel.SetPropagation("/", kernel.Shared, true); err != nil {
			return err
		}
		defer func() {
			if err := kernel.SetPropagation("/", kernel.Private, true); err != nil {
				t.Error(err)
			}
		}()
		before := mountTable(t)
		tmpl, err := Open(run, dir)
		if err != nil {
			return err
		}
		defer tmpl.Close()
		if after := mountTable(t); len(added(before, after)) > 0 {
			t.Errorf("making the template changed the host's mounts from %v to %v", before, after)
		}
		sources := []Source{{Path: "/", Recursive: true}, {Path: dir, Recursive: true}}
		return inFork(t, tmpl, bundle, sources, func(found []string) {
			for _, file := range []string{found[0] + dir + "/here", found[1] + "/here", dir + "/here"} {
				if _, err := os.Stat(file); err != nil {
					t.Error(err)
				}
			}
		})
	})
}

func TestStageKeepsPropagation(t *testing.T) {
	run, volume := t.TempDir(), t.TempDir()
	onHost(t, func() error {
		if err := mountTmpfs(volume, "here"); err != nil {
			return err
		}
		if err := kernel.SetPropagation(volume, kernel.Shared, false); err != nil {
			return err
		}
		for _, name := range []string{"/in", "/out"} {
			if err := os.Mkdir(volume+name, 0o755); err != nil {
				return err
			}
		}
		tmpl, err := Open(run, run)
		if err != nil {
			return err
		}
		defer tmpl.Close()
		staging, found, err := tmpl.Stage(run, []Source{{Path: volume}})
		if err != nil {
			return err
		}
		defer staging.Close()
		ns, err := tmpl.Fork(staging.Attach)
		if err != nil {
			return err
		}
		defer ns.Close()
		if err := unix.Mount("tmpfs", volume+"/in", "tmpfs", 0, "size=64k"); err != nil {
			return err
		}
		err = kernel.InNewThread(func() error {
			if err := ns.Enter(); err != nil {
				return err
			}
			if table := mountTable(t); !slices.Contains(table, found[0]+"/in") {
				t.Errorf("a mount on the host does not show in the fork: %v", table)
			}
			return unix.Mount("tmpfs", found[0]+"/out", "tmpfs", 0, "size=64k")
		})
		if table := mountTable(t); !slices.Contains(table, volume+"/out") {
			t.Errorf("a mount in the fork does not show on the host: %v", table)
		}
		return err
	})
}

// A source that can't be taken along, or that the template shows anyway, keeps
// its path, and the bundle stays as it was.
func TestStageLeavesSomeSourcesAlone(t *testing.T) {
	run, bundle := t.TempDir(), t.TempDir()
	tmpl, err := Open(run, run)
	if err != nil {
		t.Fatal(err)
	}
	defer tmpl.Close()
	fd, err := unix.MemfdCreate("source", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	file := filepath.Join(run, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sources := []Source{
		{Path: run + "/missing"},
		{Path: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)},
		{Path: file, Private: true, Recursive: true},
		{Path: run, Private: true},
	}
	staging, found, err := tmpl.Stage(bundle, sources)
	if err != nil {
		t.Fatal(err)
	}
	defer staging.Close()
	for i, src := range sources {
		if found[i] != src.Path {
			t.Errorf("%s is found at %s", src.Path, found[i])
		}
	}
	if names, _ := os.ReadDir(bundle); len(names) != 0 {
		t.Errorf("bundle has %v", names)
	}
}

// A file and a namespace, which has no path, are sources too.
func TestStageTakesFiles(t *testing.T) {
	run := t.TempDir()
	tmpl, err := Open(run, run)
	if err != nil {
		t.Fatal(err)
	}
	defer tmpl.Close()
	file := filepath.Join(run, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	netns := fmt.Sprintf("/proc/%d/ns/net", os.Getpid())
	err = inFork(t, tmpl, run, []Source{{Path: file}, {Path: netns}}, func(found []string) {
		if data, err := os.ReadFile(found[0]); err != nil || string(data) != "x" {
			t.Errorf("file: %q, %v", data, err)
		}
		var st unix.Statfs_t
		if err := unix.Statfs(found[1], &st); err != nil || st.Type != unix.NSFS_MAGIC {
			t.Errorf("namespace: filesystem %x, %v", st.Type, err)
		}
	})
	if err != nil {
		t.Error(err)
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
			err = inFork(t, tmpl, dir, nil, func([]string) {
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
	if ns, err := ForkHost("", func() error { return want }); !errors.Is(err, want) || ns != nil {
		t.Errorf("ForkHost: %v, %v", ns, err)
	}
}
