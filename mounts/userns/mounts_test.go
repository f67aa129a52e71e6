package userns_test

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/userns"
)

// way makes a pair of namespaces.
type way func(uids, gids []userns.IDMap) (user, mounts *os.File, err error)

// forEachWay runs a test for all ways that this kernel has.
func forEachWay(t *testing.T, test func(t *testing.T, open way)) {
	t.Run("clone", func(t *testing.T) { test(t, userns.OpenWithMounts) })
	t.Run("tree", func(t *testing.T) {
		if err := kernel.OpenTreeNamespace.Probe(); errors.Is(err, kernel.ErrNotSupported) {
			t.Skip("KERNEL LACKS", kernel.OpenTreeNamespace)
		}
		test(t, userns.OpenWithTree)
	})
}

// withMounts makes a pair of namespaces, the mounts a copy of a private one that
// prepare has changed.
func withMounts(t *testing.T, open way, prepare func() error) (user, mounts *os.File) {
	t.Helper()
	must(t, kernel.InNewThread(func() (err error) {
		if err := kernel.UnshareNamespace(); err != nil {
			return err
		}
		if err := kernel.SetPropagation("/", kernel.Private, true); err != nil {
			return err
		}
		if err := prepare(); err != nil {
			return err
		}
		user, mounts, err = open(uids, gids)
		return err
	}))
	t.Cleanup(func() {
		user.Close()
		mounts.Close()
	})
	return user, mounts
}

// visible is a directory that root in the namespaces can look up.
func visible(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // testing makes it for its user alone
	return dir
}

func tmpfs(at string, flags uintptr) error {
	return unix.Mount("tmpfs", at, "tmpfs", flags, "mode=755")
}

func TestMountsBelongToTheUserNamespace(t *testing.T) {
	forEachWay(t, func(t *testing.T, open way) {
		checkDescriptors(t)
		user, mounts := withMounts(t, open, func() error { return nil })
		owner, err := unix.IoctlRetInt(int(mounts.Fd()), unix.NS_GET_USERNS)
		must(t, err)
		defer unix.Close(owner)
		var want, got unix.Stat_t
		must(t, unix.Fstat(int(user.Fd()), &want))
		must(t, unix.Fstat(owner, &got))
		if got.Ino != want.Ino || got.Dev != want.Dev {
			t.Errorf("owned by namespace %d, want %d", got.Ino, want.Ino)
		}
		flags, err := unix.FcntlInt(mounts.Fd(), unix.F_GETFD, 0)
		must(t, err)
		if flags&unix.FD_CLOEXEC == 0 {
			t.Error("the mount namespace is not close-on-exec")
		}
		m, err := kernel.AdoptNamespace(os.NewFile(uintptr(mustDup(t, mounts)), "mnt"))
		must(t, err)
		must(t, m.Close())
	})
}

// What was copied is locked: root inside may change mounts, but not take off one
// of these, nor make it writable, nor see what it covers.
func TestCopiedMountsAreLocked(t *testing.T) {
	forEachWay(t, func(t *testing.T, open way) {
		checkDescriptors(t)
		dir := visible(t)
		user, mounts := withMounts(t, open, func() error {
			return tmpfs(dir, unix.MS_RDONLY|unix.MS_NODEV|unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NOATIME)
		})
		for _, c := range []struct {
			argv    []string
			allowed bool
		}{
			{[]string{"mount", "--bind", "/", "/mnt"}, false}, // would show what mounts cover
			{[]string{"mount", "-t", "tmpfs", "none", "/mnt"}, true},
			{[]string{"mount", "--rbind", "/", "/mnt"}, true},
			{[]string{"ls", dir}, true}, // no other reason for what is refused
			{[]string{"umount", dir}, false},
			{[]string{"umount", "-l", dir}, false},
			{[]string{"umount", "-l", "/"}, false},
			{[]string{"umount", "-l", "/proc"}, false},
			{[]string{"mount", "--move", dir, "/mnt"}, false},
			{[]string{"mount", "--move", "/", "/mnt"}, false},
			{[]string{"mount", "-o", "remount,bind,ro,nodev,nosuid,noexec,noatime", dir}, true},
			{[]string{"mount", "-o", "remount,bind,rw,nodev,nosuid,noexec,noatime", dir}, false},
			{[]string{"mount", "-o", "remount,bind,ro,dev,nosuid,noexec,noatime", dir}, false},
			{[]string{"mount", "-o", "remount,bind,ro,nodev,suid,noexec,noatime", dir}, false},
			{[]string{"mount", "-o", "remount,bind,ro,nodev,nosuid,exec,noatime", dir}, false},
			{[]string{"mount", "-o", "remount,bind,ro,nodev,nosuid,noexec,strictatime", dir}, false},
		} {
			if out, err := within(t, user, mounts, c.argv...); c.allowed != (err == nil) {
				t.Errorf("%s: %v: %s", strings.Join(c.argv, " "), err, out)
			}
		}
	})
}

// within runs a program in both namespaces, and fails the test if it cannot.
func within(t *testing.T, user, mounts *os.File, argv ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("nsenter", append([]string{"--mount=/proc/self/fd/4", "--user=/proc/self/fd/3"}, argv...)...)
	cmd.ExtraFiles = []*os.File{user, mounts}
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), err
}

// Both ways copy the same mounts: what lies on one another, properties, what is
// unbindable, and of what is shared a slave.
func TestWaysCopyTheSame(t *testing.T) {
	tables := make(map[string][]string)
	dir := visible(t)
	forEachWay(t, func(t *testing.T, open way) {
		user, mounts := withMounts(t, open, func() error {
			return errors.Join(
				tmpfs(dir, 0), os.Mkdir(dir+"/shared", 0o755), os.Mkdir(dir+"/slave", 0o755),
				tmpfs(dir+"/shared", unix.MS_NOSUID), kernel.SetPropagation(dir+"/shared", kernel.Shared, false),
				unix.Mount(dir+"/shared", dir+"/slave", "", unix.MS_BIND, ""), kernel.SetPropagation(dir+"/slave", kernel.Slave, false),
				tmpfs(dir+"/shared", unix.MS_NODEV), tmpfs("/mnt", unix.MS_RDONLY), tmpfs("/mnt", unix.MS_NOEXEC),
				kernel.SetPropagation("/mnt", kernel.Unbindable, false), // open_tree leaves such a cover out of a detached copy
			)
		})
		out, err := within(t, user, mounts, "cat", "/proc/self/mountinfo")
		must(t, err)
		tables[t.Name()] = comparable(out)
	})
	names := slices.Sorted(maps.Keys(tables))
	for _, name := range names[1:] {
		if !slices.Equal(tables[name], tables[names[0]]) {
			t.Errorf("%s:\n%s\n%s:\n%s", names[0], strings.Join(tables[names[0]], "\n"), name, strings.Join(tables[name], "\n"))
		}
	}
}

// comparable sorts a mount table, without the root, which may have others beneath
// it, numbers, and the order in which the mounts were made.
func comparable(table string) (lines []string) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line) // ID, parent, device, root, mount point, properties, propagation...
		if len(f) < 7 || f[4] == "/" {
			continue
		}
		for i, field := range f[6:] {
			f[6+i], _, _ = strings.Cut(field, ":")
		}
		lines = append(lines, strings.Join(f[3:7], " ")+" "+strings.Join(f[7:], " "))
	}
	slices.Sort(lines)
	return lines
}

// A slave hears of what is mounted where it was copied from, and not the other way
// round.
func TestCopiedMountsSendNothing(t *testing.T) {
	forEachWay(t, func(t *testing.T, open way) {
		dir := visible(t)
		var outside *kernel.Namespace
		user, mounts := withMounts(t, open, func() (err error) {
			outside, err = kernel.CurrentNamespace()
			return errors.Join(err, tmpfs(dir, 0), kernel.SetPropagation(dir, kernel.Shared, false),
				os.Mkdir(dir+"/in", 0o755), os.Mkdir(dir+"/out", 0o755))
		})
		defer outside.Close()
		if out, err := within(t, user, mounts, "mount", "-t", "tmpfs", "none", dir+"/out"); err != nil {
			t.Fatal(err, out)
		}
		must(t, kernel.InNewThread(func() error {
			must(t, outside.Enter())
			if sent, err := mounted(dir + "/out"); err != nil || sent {
				t.Errorf("a mount inside shows outside: %v, %v", sent, err)
			}
			return tmpfs(dir+"/in", 0)
		}))
		if out, err := within(t, user, mounts, "mountpoint", dir+"/in"); err != nil {
			t.Errorf("a mount outside does not show inside: %v: %s", err, out)
		}
	})
}

// mounted tells whether something is mounted there.
func mounted(at string) (bool, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, at, 0, 0, &st)
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, err
}

// A kernel that does not know the flag says so, and nothing is left.
func TestOpenWithTree(t *testing.T) {
	checkDescriptors(t)
	user, mounts, err := userns.OpenWithTree(uids, gids)
	if kernel.OpenTreeNamespace.Probe() == nil {
		must(t, errors.Join(err, user.Close(), mounts.Close()))
	} else if user != nil || mounts != nil || !errors.Is(err, unix.EINVAL) {
		t.Errorf("got %v, %v, %v", user, mounts, err)
	}
}

// Nobody waits for a holder that is killed before it has made the namespace.
func TestKilledHolder(t *testing.T) {
	for range 50 {
		mountsErr, endErr := userns.KillHolder()
		must(t, endErr)
		if mountsErr != nil && !errors.Is(mountsErr, unix.ESRCH) && !errors.Is(mountsErr, unix.EINVAL) {
			t.Errorf("the mount namespace: %v", mountsErr)
		}
	}
}

// Maps that the kernel refuses leave nothing behind, however far the mount namespace is.
func TestOpenWithMountsRefuses(t *testing.T) {
	forEachWay(t, func(t *testing.T, open way) {
		checkDescriptors(t)
		overlap := []userns.IDMap{{ContainerID: 0, HostID: 1000, Size: 10}, {ContainerID: 5, HostID: 5000, Size: 10}}
		for range 50 {
			if user, mounts, err := open(overlap, gids); user != nil || mounts != nil || !errors.Is(err, unix.EINVAL) {
				t.Errorf("got %v, %v, %v", user, mounts, err)
			}
		}
	})
}

// Many at a time give as many pairs.
func TestOpenWithMountsFromManyGoroutines(t *testing.T) {
	forEachWay(t, func(t *testing.T, open way) {
		checkDescriptors(t)
		pairs := make(chan [2]uint64)
		const goroutines = 30
		for range goroutines {
			go func() { pairs <- inodes(t, open) }()
		}
		seen := make(map[uint64]bool)
		for range goroutines {
			for _, ino := range <-pairs {
				if seen[ino] {
					t.Errorf("namespace %d is in two pairs", ino)
				}
				seen[ino] = true
			}
		}
	})
}

// inodes makes a pair, which is kept until the test ends, and tells its numbers.
func inodes(t *testing.T, open way) (pair [2]uint64) {
	user, mounts, err := open(uids, gids)
	if err != nil {
		t.Error(err)
		return pair
	}
	for i, f := range []*os.File{user, mounts} {
		t.Cleanup(func() { f.Close() })
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			t.Error(err)
		}
		pair[i] = st.Ino
	}
	return pair
}

func mustDup(t *testing.T, f *os.File) int {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	must(t, err)
	return fd
}

func BenchmarkOpenWithMounts(b *testing.B) {
	for name, open := range map[string]way{"clone": userns.OpenWithMounts, "tree": userns.OpenWithTree} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				user, mounts, err := open(uids, gids)
				if err != nil {
					b.Skip(err)
				}
				user.Close()
				mounts.Close()
			}
		})
	}
}
