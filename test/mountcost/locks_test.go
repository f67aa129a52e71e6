package mountcost

import (
	"os"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tango/test/harness"
)

// TestHostMountsStayLocked has root in a user namespace, with CAP_SYS_ADMIN there,
// try to write to what the host shows it read-only, and to see what the host has
// covered. How the container's mount namespace came about must make no difference:
// with sources to stage it is another way than without.
func TestHostMountsStayLocked(t *testing.T) {
	h := harness.New(t, harness.Options{})
	volume, covered := readOnlyVolume(t), coveredDirectory(t)
	mounts := []specs.Mount{
		{Destination: "/vol", Type: "bind", Source: volume, Options: []string{"rbind"}},
		{Destination: "/cov", Type: "bind", Source: covered, Options: []string{"rbind"}},
	}
	all := []string{"CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"}
	for i, with := range [][]specs.Mount{nil, mounts} {
		c := h.Run(harness.Spec{UserNS: harness.NthUserNS(20 + i), OCI: []oci.SpecOpts{oci.WithMounts(with), oci.WithAddedCapabilities(all)}})
		if got := h.Output(c, "sh", "-c", "mkdir -p /mnt && mount -t tmpfs none /mnt && umount /mnt && echo may mount"); got != "may mount\n" {
			t.Errorf("root in the container: %q", got)
		}
		for _, script := range []string{
			"mount -o remount,bind,rw /vol && touch /vol/x",
			"umount /cov/sub && cat /cov/sub/secret",
			"mkdir -p /m && mount --bind /cov /m && cat /m/sub/secret",
			"umount -l / && ls /run/containerd",
		} {
			if out := h.Output(c, "sh", "-c", "("+script+") 2>/dev/null || echo refused"); out != "refused\n" {
				t.Errorf("%d sources: %s: %q", len(with), script, out)
			}
		}
		h.Delete(stopped(h, c))
	}
	if _, err := os.Stat(volume + "/x"); !os.IsNotExist(err) {
		t.Errorf("the host's read-only volume was written to: %v", err)
	}
}

func readOnlyVolume(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	mountFor(t, dir, unix.MS_RDONLY)
	return dir
}

// coveredDirectory has a file in a directory that something is mounted on.
func coveredDirectory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	mountFor(t, dir, 0)
	if err := os.Mkdir(dir+"/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/sub/secret", []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	mountFor(t, dir+"/sub", 0)
	return dir
}

func mountFor(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, "size=64k,mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}
