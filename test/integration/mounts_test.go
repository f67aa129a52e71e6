package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"golang.org/x/sys/unix"

	"tango/test/harness"
)

// sharedDir makes a directory that is a shared mount of its own on the host.
func sharedDir(t *testing.T, h *harness.Harness, name string) string {
	t.Helper()
	dir := hostDir(t, h, name)
	mountOn(t, dir, dir, "", unix.MS_BIND)
	if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	return dir
}

// mountOn mounts on the host until the test ends. The containers are deleted
// after that, so nothing may need the mount then.
func mountOn(t *testing.T, source, target, fstype string, flags uintptr) {
	t.Helper()
	if err := unix.Mount(source, target, fstype, flags, ""); err != nil {
		t.Fatalf("cannot mount %s on %s: %v", fstype, target, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			t.Errorf("cannot unmount %s: %v", target, err)
		}
	})
}

func mkdir(t *testing.T, path string) string {
	t.Helper()
	if err := os.Mkdir(path, 0o777); err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestBind wants a host directory inside, writable and read-only, and a file.
func TestBind(t *testing.T) {
	for name, mapping := range map[string]*harness.UserNS{"plain": nil, "userns": harness.NthUserNS(3)} {
		t.Run(name, func(t *testing.T) {
			h := newNode(t)
			dir := hostDir(t, h, "volume")
			write(t, filepath.Join(dir, "file"), "from the host")
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			c := h.Run(harness.Spec{UserNS: mapping, OCI: withMounts(
				bind(dir, "/volume"), bind(dir, "/readonly", "ro"), bind(filepath.Join(dir, "file"), "/etc/single"))})
			expectOutput(t, h, c, "from the host", "cat", "/volume/file")
			expectOutput(t, h, c, "from the host", "cat", "/etc/single")
			h.Output(c, "sh", "-c", "echo back > /volume/back")
			if data, err := os.ReadFile(filepath.Join(dir, "back")); err != nil || string(data) != "back\n" {
				t.Errorf("on the host: %q, %v", data, err)
			}
			if _, err := c.Output(h.Ctx(), "touch", "/readonly/file2"); err == nil || !strings.Contains(err.Error(), "Read-only") {
				t.Errorf("write to a read-only bind: %v", err)
			}
		})
	}
}

// TestPropagationIn mounts on the host below a bind of a running container: the
// container sees it through rslave and rshared, and not through rprivate.
func TestPropagationIn(t *testing.T) {
	h := newNode(t)
	dir := sharedDir(t, h, "volume")
	c := h.Run(harness.Spec{OCI: append(withMounts(
		bind(dir, "/rslave", "rslave"), bind(dir, "/rshared", "rshared"), bind(dir, "/rprivate", "rprivate")),
		harness.Edit(func(s *oci.Spec) { s.Linux.RootfsPropagation = "rslave" }))})
	late := mkdir(t, filepath.Join(dir, "late"))
	mountOn(t, "tmpfs", late, "tmpfs", 0)
	write(t, filepath.Join(late, "file"), "mounted later")
	for _, target := range []string{"/rslave", "/rshared"} {
		expectOutput(t, h, c, "mounted later", "cat", target+"/late/file")
	}
	expectOutput(t, h, c, "", "ls", "/rprivate/late")
	h.Delete(c)
}

// TestPropagationOut mounts inside a container: the host sees it through
// rshared, and not through rslave.
func TestPropagationOut(t *testing.T) {
	h := newNode(t)
	dir := sharedDir(t, h, "volume")
	mkdir(t, filepath.Join(dir, "shared"))
	mkdir(t, filepath.Join(dir, "slave"))
	c := h.Run(harness.Spec{OCI: append(withMounts(bind(dir, "/rshared", "rshared"), bind(dir, "/rslave", "rslave")),
		oci.WithAddedCapabilities([]string{"CAP_SYS_ADMIN"}),
		harness.Edit(func(s *oci.Spec) { s.Linux.RootfsPropagation = "rshared" }))})
	h.Output(c, "sh", "-c", "mount -t tmpfs tmpfs /rshared/shared && echo inside > /rshared/shared/file")
	h.Output(c, "sh", "-c", "mount -t tmpfs tmpfs /rslave/slave && echo inside > /rslave/slave/file")
	if data, err := os.ReadFile(filepath.Join(dir, "shared/file")); err != nil || string(data) != "inside\n" {
		t.Errorf("through rshared the host reads %q, %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "slave/file")); err == nil {
		t.Error("the host sees a mount through rslave")
	}
	h.Output(c, "umount", "/rshared/shared")
	if _, err := os.Stat(filepath.Join(dir, "shared/file")); err == nil {
		t.Error("the host still sees a mount that the container has taken away")
	}
	h.Delete(c)
}

// TestBindOfLateMount binds what was mounted on the host after the pod's shim
// had started, as kubelet does with volumes.
func TestBindOfLateMount(t *testing.T) {
	for name, mapping := range map[string]*harness.UserNS{"plain": nil, "userns": harness.NthUserNS(8)} {
		t.Run(name, func(t *testing.T) {
			h := newNode(t)
			annotations := map[string]string{sandboxAnnotation: "sandbox"}
			h.Run(harness.Spec{ID: "sandbox", Annotations: annotations})
			volume := hostDir(t, h, "volume")
			mountOn(t, "tmpfs", volume, "tmpfs", 0)
			deeper := mkdir(t, filepath.Join(volume, "deeper"))
			mountOn(t, "tmpfs", deeper, "tmpfs", 0)
			write(t, filepath.Join(deeper, "file"), "mounted after the shim")
			c := h.Run(harness.Spec{Annotations: annotations, UserNS: mapping, OCI: withMounts(bind(volume, "/volume"))})
			if n := shimCount(t, h); n != 1 {
				t.Errorf("%d shims, want 1", n)
			}
			expectOutput(t, h, c, "mounted after the shim", "cat", "/volume/deeper/file")
			h.Delete(c)
		})
	}
}

// TestRecursiveReadOnly wants rro to hold for mounts below the bind as well.
func TestRecursiveReadOnly(t *testing.T) {
	h := newNode(t)
	volume := hostDir(t, h, "volume")
	mountOn(t, volume, volume, "", unix.MS_BIND)
	mountOn(t, "tmpfs", mkdir(t, filepath.Join(volume, "deeper")), "tmpfs", 0)
	c := h.Run(harness.Spec{OCI: withMounts(bind(volume, "/ro", "ro"), bind(volume, "/rro", "rro"))})
	h.Output(c, "touch", "/ro/deeper/file")
	if _, err := c.Output(h.Ctx(), "touch", "/rro/deeper/file"); err == nil || !strings.Contains(err.Error(), "Read-only") {
		t.Errorf("write below a recursively read-only bind: %v", err)
	}
	h.Delete(c)
}

// TestMountTargets wants mount points that the image makes hard: made on the
// way, through symbolic links that stay inside, over files.
func TestMountTargets(t *testing.T) {
	h := newNode(t)
	dir := hostDir(t, h, "volume")
	write(t, filepath.Join(dir, "file"), "bound")
	c := h.Run(harness.Spec{Image: h.Image(3), OCI: withMounts(
		bind(dir, "/made/on/the/way"), bind(filepath.Join(dir, "file"), "/made/file"),
		bind(filepath.Join(dir, "file"), "/layers/001/link"), bind(dir, "/shared/../opt/../up"))})
	expectOutput(t, h, c, "bound", "cat", "/made/on/the/way/file")
	expectOutput(t, h, c, "bound", "cat", "/made/file")
	expectOutput(t, h, c, "bound", "cat", "/layers/001/data")
	expectOutput(t, h, c, "bound", "cat", "/up/file")
}

// TestTmpfs wants a tmpfs with its options, also one that starts with the
// content of the image.
func TestTmpfs(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{OCI: edit(func(s *oci.Spec) {
		m := bind("tmpfs", "/scratch")
		m.Type, m.Options = "tmpfs", []string{"nosuid", "size=1m", "mode=1711"}
		s.Mounts = append(s.Mounts, m)
	})})
	expectOutput(t, h, c, "1711", "stat", "-c", "%a", "/scratch")
	if _, err := c.Output(h.Ctx(), "dd", "if=/dev/zero", "of=/scratch/big", "bs=1M", "count=2"); err == nil {
		t.Error("2 MiB fit into a tmpfs of 1 MiB")
	}
}
