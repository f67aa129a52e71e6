package integration

import (
	"archive/tar"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tango/test/harness"
	"tango/test/images"
)

// TestUserNS wants root inside and nobody outside, and a root file system that
// can be written.
func TestUserNS(t *testing.T) {
	h := newNode(t)
	mapping := harness.NthUserNS(7)
	c := h.Run(harness.Spec{UserNS: mapping})
	expectOutput(t, h, c, "0", "id", "-u")
	want := fmt.Sprintf("0 %d %d", mapping.HostID, mapping.Size)
	if got, err := harness.UserNSOf(c.Task.Pid()); err != nil || got != want {
		t.Errorf("uid_map %q, %v, want %q", got, err, want)
	}
	h.Output(c, "sh", "-c", "echo new > /new; chown 1000:1000 /new; chmod 4711 /bin/busybox")
	expectOutput(t, h, c, "1000 1000", "stat", "-c", "%u %g", "/new")
	path := fmt.Sprintf("/proc/%d/root/new", c.Task.Pid())
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != mapping.HostID+1000 {
		t.Errorf("a file of user 1000 belongs to %d on the host, want %d", uid, mapping.HostID+1000)
	}
	e := h.Exec(c, harness.ExecSpec{Args: sh("id -u; cat /proc/self/uid_map"), Change: func(p *specs.Process) { p.User.UID = 1000 }})
	if code := h.Finish(e); code != 0 || !strings.HasPrefix(e.Stdout.String(), "1000\n") {
		t.Errorf("a process of user 1000 ended with %d: %q %q", code, e.Stdout, e.Stderr)
	}
}

// TestUserNSMounts wants what a container with a user namespace of its own may
// mount: procfs, sysfs, tmpfs, mqueue, devpts are in containerd's default spec.
func TestUserNSMounts(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{UserNS: harness.NthUserNS(2), Terminal: true})
	mounts := h.Output(c, "cat", "/proc/mounts")
	for _, want := range []string{" / overlay ", " /proc proc ", " /sys sysfs ", " /dev tmpfs ", " /dev/pts devpts ", " /dev/shm tmpfs ", " /dev/mqueue mqueue ", " /run tmpfs "} {
		if !strings.Contains(mounts, want) {
			t.Errorf("%q is not among the mounts:\n%s", want, mounts)
		}
	}
	expectOutput(t, h, c, "fine", "sh", "-c", "echo fine > /dev/shm/f && cat /dev/shm/f && echo > /dev/null && mkdir /run/x")
}

// TestUserNSShared joins the user namespace of another container.
func TestUserNSShared(t *testing.T) {
	h := newNode(t)
	mapping := harness.NthUserNS(4)
	first := h.Run(harness.Spec{UserNS: mapping})
	path := fmt.Sprintf("/proc/%d/ns/user", first.Task.Pid())
	second := h.Run(harness.Spec{UserNS: mapping, OCI: []oci.SpecOpts{
		oci.WithLinuxNamespace(specs.LinuxNamespace{Type: specs.UserNamespace, Path: path}),
	}})
	link := func(c *harness.Container) string { return trimmed(h, c, "readlink", "/proc/self/ns/user") }
	if a, b := link(first), link(second); a != b {
		t.Errorf("user namespaces %s and %s", a, b)
	}
	expectOutput(t, h, second, "0", "id", "-u")
	expectOutput(t, h, second, "0 0", "stat", "-c", "%u %g", "/etc/passwd")
}

// TestImageTree compares every file of a root filesystem made of many layers
// with what the image says, seen from the host.
func TestImageTree(t *testing.T) {
	for name, mapping := range map[string]*harness.UserNS{"plain": nil, "userns": harness.NthUserNS(9)} {
		t.Run(name, func(t *testing.T) {
			h := newNode(t)
			const layers = 50
			c := h.Run(harness.Spec{Image: h.Image(layers), UserNS: mapping})
			root := fmt.Sprintf("/proc/%d/root", c.Task.Pid())
			tree, err := images.Tree(images.Config{Layers: layers})
			if err != nil {
				t.Fatal(err)
			}
			known := make(map[string]bool)
			for _, e := range tree {
				known[e.Path] = true
				compare(t, root, e, mapping)
			}
			for _, dir := range []string{"layers", "shared", "bin", "etc"} {
				expectNoMore(t, root, dir, known)
			}
		})
	}
}

// covered are directories of the image that the default spec mounts over.
var covered = map[string]bool{"dev": true, "proc": true, "sys": true, "run": true}

// compare checks one file's type, mode, owner, content, link and attributes.
func compare(t *testing.T, root string, e images.Entry, mapping *harness.UserNS) {
	t.Helper()
	if covered[e.Path] {
		return
	}
	path := filepath.Join(root, e.Path)
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Errorf("%s: %v", e.Path, err)
		return
	}
	types := map[byte]uint32{tar.TypeReg: unix.S_IFREG, tar.TypeDir: unix.S_IFDIR, tar.TypeSymlink: unix.S_IFLNK, tar.TypeFifo: unix.S_IFIFO}
	if want := types[e.Type] | uint32(e.Mode); st.Mode != want {
		t.Errorf("%s: mode %o, want %o", e.Path, st.Mode, want)
	}
	uid, gid := uint32(e.UID), uint32(e.GID)
	if mapping != nil {
		uid, gid = uid+mapping.HostID, gid+mapping.HostID
	}
	if st.Uid != uid || st.Gid != gid {
		t.Errorf("%s: owner %d:%d, want %d:%d", e.Path, st.Uid, st.Gid, uid, gid)
	}
	compareContent(t, path, e)
}

func compareContent(t *testing.T, path string, e images.Entry) {
	t.Helper()
	switch e.Type {
	case tar.TypeReg:
		data, err := os.ReadFile(path)
		if err != nil || string(data) != string(e.Data) {
			t.Errorf("%s: other content, or %v", e.Path, err)
		}
	case tar.TypeSymlink:
		if target, err := os.Readlink(path); err != nil || target != e.Link {
			t.Errorf("%s: link to %q, %v, want %q", e.Path, target, err, e.Link)
		}
	}
	for name, want := range e.Xattrs {
		value := make([]byte, 256)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil || string(value[:n]) != want {
			t.Errorf("%s: attribute %s: %q, %v, want %q", e.Path, name, value[:max(n, 0)], err, want)
		}
	}
}

// expectNoMore wants no file in a directory that the image does not have.
func expectNoMore(t *testing.T, root, dir string, known map[string]bool) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := strings.TrimPrefix(path, root+"/"); !known[name] {
			t.Errorf("%s is there and should not be", name)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
