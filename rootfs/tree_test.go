package rootfs

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// entry is what one file of a tree looks like to whoever sees it.
type entry struct {
	mode     uint32
	uid, gid uint32
	rdev     uint64
	size     int64
	links    uint64
	ino      uint64 // 0 where it is not to be compared
	same     string // first path with the same inode
	content  string // hash, or symlink target
	xattrs   string
}

// readTree describes every file below root, without crossing into other devices
// than those an overlay has.
func readTree(root string) (map[string]entry, error) {
	tree := make(map[string]entry)
	inodes := make(map[[2]uint64]string)
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		e, id, err := readEntry(p)
		if err != nil {
			return err
		}
		if _, ok := inodes[id]; !ok {
			inodes[id] = rel
		}
		e.same = inodes[id]
		tree[rel] = e
		return nil
	})
	return tree, err
}

func readEntry(p string) (entry, [2]uint64, error) {
	var st unix.Stat_t
	if err := unix.Lstat(p, &st); err != nil {
		return entry{}, [2]uint64{}, &os.PathError{Op: "lstat", Path: p, Err: err}
	}
	e := entry{mode: st.Mode, ino: st.Ino, uid: st.Uid, gid: st.Gid, rdev: st.Rdev, links: st.Nlink}
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		var content []byte
		content, err = os.ReadFile(p)
		e.size = st.Size
		e.content = fmt.Sprintf("%x", sha256.Sum256(content))
	case unix.S_IFLNK:
		e.content, err = os.Readlink(p)
	case unix.S_IFDIR:
		// How many links a directory of an overlay has depends on what was
		// looked up before.
		e.links = 0
	}
	if err != nil {
		return entry{}, [2]uint64{}, err
	}
	e.xattrs, err = readXattrs(p)
	return e, [2]uint64{st.Dev, st.Ino}, err
}

func readXattrs(p string) (string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(p, buf)
	if err != nil {
		return "", &os.PathError{Op: "llistxattr", Path: p, Err: err}
	}
	names := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
	slices.Sort(names)
	var all []string
	for _, name := range names {
		// Overlayfs makes up a uuid for each new upper directory.
		if name == "" || name == "trusted.overlay.uuid" {
			continue
		}
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(p, name, value)
		if err != nil {
			return "", &os.PathError{Op: "lgetxattr " + name, Path: p, Err: err}
		}
		all = append(all, fmt.Sprintf("%s=%q", name, value[:n]))
	}
	return strings.Join(all, " "), nil
}

// withoutInodes drops what files made by different hands differ in.
func withoutInodes(tree map[string]entry) map[string]entry {
	for p, e := range tree {
		e.ino = 0
		tree[p] = e
	}
	return tree
}

// differences lists what is not the same in two trees.
func differences(want, got map[string]entry) []string {
	var all []string
	for p, w := range want {
		if g, ok := got[p]; !ok {
			all = append(all, fmt.Sprintf("%s: missing", p))
		} else if g != w {
			all = append(all, fmt.Sprintf("%s: got %+v, want %+v", p, g, w))
		}
	}
	for p := range got {
		if _, ok := want[p]; !ok {
			all = append(all, fmt.Sprintf("%s: should not be there", p))
		}
	}
	slices.Sort(all)
	return all
}

// builder makes layers in a directory.
type builder struct {
	t   *testing.T
	dir string
}

func (b builder) do(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b builder) path(rel string) string { return filepath.Join(b.dir, rel) }

func (b builder) mkdir(rel string, mode os.FileMode, owner int) {
	b.t.Helper()
	b.do(os.MkdirAll(b.path(rel), 0o755))
	b.do(os.Chown(b.path(rel), owner, owner))
	b.do(os.Chmod(b.path(rel), mode))
}

func (b builder) file(rel, content string, mode os.FileMode, owner int) {
	b.t.Helper()
	b.do(os.MkdirAll(filepath.Dir(b.path(rel)), 0o755))
	b.do(os.WriteFile(b.path(rel), []byte(content), 0o600))
	b.do(os.Chown(b.path(rel), owner, owner+1))
	b.do(os.Chmod(b.path(rel), mode))
}

func (b builder) whiteout(rel string) {
	b.t.Helper()
	b.do(os.MkdirAll(filepath.Dir(b.path(rel)), 0o755))
	b.do(unix.Mknod(b.path(rel), unix.S_IFCHR, 0))
}

func (b builder) xattr(rel, name, value string) {
	b.t.Helper()
	b.do(unix.Lsetxattr(b.path(rel), name, []byte(value), 0))
}

// buildLayers fills three layers, topmost first, with one of everything that an
// image can have.
func buildLayers(t *testing.T, dirs [3]string) {
	t.Helper()
	base := builder{t, dirs[2]}
	base.mkdir(".", 0o755, 0)
	base.file("etc/passwd", "root:x:0:0\n", 0o644, 0)
	base.file("etc/shadow", "root:*\n", 0o640, 42)
	base.file("bin/su", "#!/bin/sh\n", 0o4755|os.ModeSetuid, 0)
	base.file("gone/file", "removed above", 0o644, 0)
	base.file("gone-file", "removed above", 0o644, 0)
	base.file("opaque/below", "hidden", 0o644, 0)
	base.file("merged/from-base", "base", 0o600, 1000)
	base.file("linked/a", "one inode", 0o644, 7)
	base.do(os.Link(base.path("linked/a"), base.path("linked/b")))
	base.do(os.Symlink("../etc/passwd", base.path("linked/sym")))
	base.mkdir("tmp", 0o777|os.ModeSticky, 0)
	base.do(unix.Mkfifo(base.path("fifo"), 0o620))
	base.do(unix.Mknod(base.path("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))

	middle := builder{t, dirs[1]}
	middle.mkdir(".", 0o755, 0)
	middle.file("etc/passwd", "root:x:0:0\nuser:x:1000:1000\n", 0o644, 0)
	middle.whiteout("gone-file")
	middle.whiteout("gone")
	middle.file("opaque/above", "shown", 0o644, 5)
	middle.xattr("opaque", "trusted.overlay.opaque", "y")
	middle.file("merged/from-middle", "middle", 0o644, 65535)
	middle.xattr("merged/from-middle", "user.note", "a value")

	top := builder{t, dirs[0]}
	top.mkdir(".", 0o711, 3)
	top.file("merged/from-top", "top", 0o755, 0)
	top.xattr("merged", "user.dir", "attribute")
	top.file("bin/capable", "binary", 0o755, 0)
	// cap_net_bind_service=ep, revision 2.
	top.xattr("bin/capable", "security.capability", "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
}
