package userns_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
	"tango/mounts/userns"
)

// withMounts makes a pair of namespaces, the mounts a copy of a private one that
// has a read-only tmpfs at dir.
func withMounts(t *testing.T, dir string) (user, mounts *os.File) {
	t.Helper()
	must(t, kernel.InNewThread(func() (err error) {
		if err := kernel.UnshareNamespace(); err != nil {
			return err
		}
		if err := kernel.SetPropagation("/", kernel.Private, true); err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY, ""); err != nil {
			return err
		}
		user, mounts, err = userns.OpenWithMounts(uids, gids)
		return err
	}))
	t.Cleanup(func() {
		user.Close()
		mounts.Close()
	})
	return user, mounts
}

func TestMountsBelongToTheUserNamespace(t *testing.T) {
	checkDescriptors(t)
	user, mounts := withMounts(t, t.TempDir())
	owner, err := unix.IoctlRetInt(int(mounts.Fd()), unix.NS_GET_USERNS)
	must(t, err)
	defer unix.Close(owner)
	var want, got unix.Stat_t
	must(t, unix.Fstat(int(user.Fd()), &want))
	must(t, unix.Fstat(owner, &got))
	if got.Ino != want.Ino || got.Dev != want.Dev {
		t.Errorf("owned by namespace %d, want %d", got.Ino, want.Ino)
	}
	if m, err := kernel.AdoptNamespace(os.NewFile(uintptr(mustDup(t, mounts)), "mnt")); err != nil {
		t.Error(err)
	} else {
		must(t, m.Close())
	}
}

// What was copied is locked: root inside may change mounts, but not take off one
// of these, nor make it writable.
func TestCopiedMountsAreLocked(t *testing.T) {
	checkDescriptors(t)
	dir := t.TempDir()
	user, mounts := withMounts(t, dir)
	for _, c := range []struct {
		argv    []string
		allowed bool
	}{
		{[]string{"mount", "--bind", "/", "/mnt"}, false}, // would show what mounts cover
		{[]string{"mount", "-t", "tmpfs", "none", "/mnt"}, true},
		{[]string{"umount", dir}, false},
		{[]string{"mount", "-o", "remount,bind,rw", dir}, false},
	} {
		cmd := exec.Command("nsenter", append([]string{"--mount=/proc/self/fd/4", "--user=/proc/self/fd/3"}, c.argv...)...)
		cmd.ExtraFiles = []*os.File{user, mounts}
		out, err := cmd.CombinedOutput()
		if c.allowed != (err == nil) {
			t.Errorf("%s: %v: %s", strings.Join(c.argv, " "), err, out)
		}
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
	}
}

func mustDup(t *testing.T, f *os.File) int {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	must(t, err)
	return fd
}
