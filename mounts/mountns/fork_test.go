package mountns

import (
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/userns"
)

// TestForkHostPropagates has everything shared between host and fork but what the
// bundle lies on, or nothing.
func TestForkHostPropagates(t *testing.T) {
	for _, private := range []bool{false, true} {
		bundle, volume := t.TempDir(), t.TempDir()
		onHost(t, func() error {
			for _, dir := range []string{bundle, volume} {
				if err := mountTmpfs(dir, "here"); err != nil {
					return err
				}
				if err := kernel.SetPropagation(dir, kernel.Shared, false); err != nil {
					return err
				}
				for _, name := range []string{"/in", "/fork"} {
					if err := os.Mkdir(dir+name, 0o755); err != nil {
						return err
					}
				}
			}
			at := bundle + "/fork"
			if private {
				at = ""
			}
			ns, err := ForkHost(at, func() error { return mountTmpfs(bundle+"/fork", "root") })
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := mountTmpfs(volume+"/in", "in"); err != nil {
				return err
			}
			err = inside(ns, func() error {
				if table := mountTable(t); !slices.Contains(table, volume+"/in") {
					t.Errorf("a mount on the host does not show in the fork: %v", table)
				}
				return mountTmpfs(volume+"/fork", "out")
			})
			table := mountTable(t)
			if out := slices.Contains(table, volume+"/fork"); out == private {
				t.Errorf("private %v: a mount in the fork shows on the host: %v", private, out)
			}
			if slices.Contains(table, bundle+"/fork") {
				t.Errorf("private %v: what was attached at the bundle shows on the host", private)
			}
			return err
		})
	}
}

// inside runs f in a namespace.
func inside(ns *kernel.Namespace, f func() error) error {
	return kernel.InNewThread(func() error {
		if err := ns.Enter(); err != nil {
			return err
		}
		return f()
	})
}

// TestCopies compares the ways to copy the template.
func TestCopies(t *testing.T) {
	run := t.TempDir()
	tmpl, err := Open(run, run)
	if err != nil {
		t.Fatal(err)
	}
	defer tmpl.Close()
	ways := map[string]func() error{"unshare": kernel.UnshareNamespace}
	if err := kernel.OpenTreeNamespace.Probe(); err == nil {
		ways["tree"] = enterTree
	} else {
		t.Log("NOT TESTED on this kernel: OPEN_TREE_NAMESPACE")
	}
	var want []string
	if err := inside(tmpl.ns, func() error { want = mountTable(t); return nil }); err != nil {
		t.Fatal(err)
	}
	for name, enter := range ways {
		err := inside(tmpl.ns, func() error {
			before, err := kernel.CurrentNamespace()
			if err != nil {
				return err
			}
			defer before.Close()
			if err := enter(); err != nil {
				return err
			}
			after, err := kernel.CurrentNamespace()
			if err != nil {
				return err
			}
			defer after.Close()
			if same, err := before.Same(after); err != nil || same {
				t.Errorf("%s: still in the template: %v, %v", name, same, err)
			}
			if got := mountTable(t); !slices.Equal(belowRoot(got), belowRoot(want)) {
				t.Errorf("%s: got %v, want %v", name, got, want)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForkOwned makes both namespaces, fills the one, and has it belong to the other.
func TestForkOwned(t *testing.T) {
	run := t.TempDir()
	tmpl, err := Open(run, run)
	if err != nil {
		t.Fatal(err)
	}
	defer tmpl.Close()
	ids := []userns.IDMap{{ContainerID: 0, HostID: 100000, Size: 1000}}
	place := t.TempDir()
	owned, err := tmpl.ForkOwned(ids, ids, func() error { return unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "size=64k") })
	if err != nil {
		t.Fatal(err)
	}
	defer owned.Close()
	owner, err := unix.IoctlRetInt(owned.Mounts.Fd(), unix.NS_GET_USERNS)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(owner)
	var user, of unix.Stat_t
	if err := errors.Join(unix.Fstat(int(owned.User.Fd()), &user), unix.Fstat(owner, &of)); err != nil || of.Ino != user.Ino {
		t.Errorf("owned by %d, want %d: %v", of.Ino, user.Ino, err)
	}
	var want, got []string
	err = errors.Join(
		inside(tmpl.ns, func() error { want = belowRoot(append(mountTable(t), "/tmp")); return nil }),
		inside(owned.Mounts, func() error { got = belowRoot(mountTable(t)); return nil }),
	)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: %v", got, want, err)
	}
	err = inside(owned.Mounts, func() error {
		if _, err := os.Stat(place); !os.IsNotExist(err) {
			t.Errorf("what was mounted on /tmp does not cover it: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestForkOwnedFails leaves no namespace behind.
func TestForkOwnedFails(t *testing.T) {
	run := t.TempDir()
	tmpl, err := Open(run, run)
	if err != nil {
		t.Fatal(err)
	}
	defer tmpl.Close()
	ids := []userns.IDMap{{ContainerID: 0, HostID: 100000, Size: 1000}}
	for _, c := range []struct {
		ids  []userns.IDMap
		fill error
	}{{ids, unix.EIO}, {nil, nil}} {
		if owned, err := tmpl.ForkOwned(c.ids, c.ids, func() error { return c.fill }); err == nil || owned != nil {
			t.Errorf("got %v, %v", owned, err)
		}
	}
}

// belowRoot sorts mount points and leaves out roots: the order is that in which the
// mounts were made, and a template or a copy made as a tree has a root below it.
func belowRoot(points []string) []string {
	below := slices.DeleteFunc(slices.Clone(points), func(p string) bool { return p == "/" })
	slices.Sort(below)
	return below
}
