package host

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
)

// TestTemplateShowsSnapshots has them on a disk of their own, and wants them in the
// template as soon as somebody has said where they are.
func TestTemplateShowsSnapshots(t *testing.T) {
	dir := t.TempDir()
	run, bundles, disk := filepath.Join(dir, "run"), filepath.Join(dir, "bundles"), filepath.Join(dir, "disk")
	for _, d := range []string{run + "/host", bundles, disk} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	snapshots := filepath.Join(disk, "snapshots")
	if err := os.Mkdir(snapshots, 0o700); err != nil {
		t.Fatal(err)
	}
	templateShows(t, run, bundles, snapshots, false)
	NoteSnapshots(run, snapshots)
	templateShows(t, run, bundles, snapshots, true)
	NoteSnapshots(run, filepath.Join(disk, "gone"))
	templateShows(t, run, bundles, snapshots, false)
}

// templateShows wants a directory to be there in the template, or not.
func templateShows(t *testing.T, run, bundles, dir string, want bool) {
	t.Helper()
	template, err := OpenTemplate(run, bundles)
	if err != nil {
		t.Error(err)
		return
	}
	defer template.Close()
	err = kernel.InNewThread(func() error {
		if err := template.Enter(); err != nil {
			return err
		}
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("snapshots are in the template: %v, want %t", err, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
