package kernel

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenTree(t *testing.T) {
	dir := private(t)
	src := mkdirs(t, dir, "src/inside")
	m := clone(t, dir+"/src", 0)
	if flags := got(unix.FcntlInt(uintptr(m.Fd()), unix.F_GETFD, 0))(t); flags&unix.FD_CLOEXEC == 0 {
		t.Error("a clone is not close-on-exec")
	}
	must(t, got(m.Open("inside", unix.O_PATH))(t).Close())

	parent := got(os.Open(dir))(t)
	defer parent.Close()
	for _, path := range []string{"src", ""} {
		relative := got(OpenTree(parent, path, TreeClone))(t)
		must(t, relative.Close())
	}
	_, err := OpenTree(nil, src+"/not-there", TreeClone)
	if e := failed(t, err, unix.ENOENT); e.Source != src+"/not-there" || e.Flags != "clone|cloexec" {
		t.Errorf("error is %+v", e)
	}
	_, err = OpenTree(nil, dir, TreeRecursive)
	failed(t, err, unix.EINVAL)
}

func TestOpenTreeRecursive(t *testing.T) {
	dir := private(t)
	must(t, newTmpfs(t).Attach(nil, mkdirs(t, dir, "src", "src/sub")))
	must(t, os.Mkdir(dir+"/src/sub/deep", 0o755))
	flat := clone(t, dir+"/src", 0)
	if _, err := flat.Resolve("sub/deep", unix.O_PATH); err == nil {
		t.Error("a clone of one mount has two")
	}
	deep := clone(t, dir+"/src", TreeRecursive)
	must(t, got(deep.Resolve("sub/deep", unix.O_PATH))(t).Close())
	// The other mount is not this mount.
	_, err := deep.Open("sub/deep", unix.O_PATH)
	failed(t, err, unix.EXDEV)
}

func TestOpenTreeNoFollow(t *testing.T) {
	dir := private(t)
	must(t, os.Symlink("target", dir+"/link"))
	_, err := OpenTree(nil, dir+"/link", 0)
	failed(t, err, unix.ENOENT)
	m := got(OpenTree(nil, dir+"/link", TreeNoFollow))(t)
	must(t, m.Close())
}

func TestAttach(t *testing.T) {
	dir := private(t)
	target := mkdirs(t, dir, "by-path", "by-name", "by-fd")
	must(t, newTmpfs(t).Attach(nil, dir+"/by-path"))
	parent := got(os.Open(dir))(t)
	defer parent.Close()
	must(t, newTmpfs(t).Attach(parent, "by-name"))
	f := got(os.OpenFile(target, unix.O_PATH, 0))(t)
	defer f.Close()
	must(t, newTmpfs(t).Attach(f, ""))
	for _, name := range []string{"by-path", "by-name", "by-fd"} {
		if device(t, dir+"/"+name) == device(t, dir) {
			t.Errorf("nothing is mounted at %s", name)
		}
	}
}

func TestAttachFails(t *testing.T) {
	dir := private(t)
	m := newTmpfs(t)
	e := failed(t, m.Attach(nil, dir+"/not-there"), unix.ENOENT)
	if e.Op != "move_mount" || e.Source != "tmpfs" || e.Target != dir+"/not-there" {
		t.Errorf("error is %+v", e)
	}
	must(t, os.WriteFile(dir+"/file", nil, 0o600))
	failed(t, m.Attach(nil, dir+"/file"), unix.EINVAL)
	// A symlink in the last place is not followed: an image could have put it.
	must(t, os.Symlink(mkdirs(t, dir, "elsewhere"), dir+"/link"))
	failed(t, m.Attach(nil, dir+"/link"), unix.EINVAL)
	must(t, m.Attach(nil, dir+"/elsewhere"))
}

func TestAttachToDetached(t *testing.T) {
	checkDescriptors(t)
	below := got(scratch())(t)
	defer below.Close()
	at := got(below.Open("a", unix.O_PATH))(t)
	defer at.Close()
	err := newTmpfs(t).Attach(at, "")
	if !has(t, DetachedOnDetached) {
		failed(t, err, unix.EINVAL)
		return
	}
	must(t, err)
}

// A mount that is attached outlives its descriptor.
func TestCloseOfAttachedMount(t *testing.T) {
	dir := private(t)
	m := got(open(t, "tmpfs").Mount(0))(t)
	must(t, m.Attach(nil, mkdirs(t, dir, "at")))
	must(t, m.Close())
	if device(t, dir+"/at") == device(t, dir) {
		t.Error("the mount went away with its descriptor")
	}
	must(t, Unmount(dir+"/at", 0))
	if device(t, dir+"/at") != device(t, dir) {
		t.Error("the mount is still there")
	}
}

func TestOpenStaysBelow(t *testing.T) {
	dir := private(t)
	mkdirs(t, dir, "outside", "root/in")
	must(t, os.Symlink("/outside", dir+"/root/absolute"))
	must(t, os.Symlink("../outside", dir+"/root/up"))
	must(t, os.Symlink("in", dir+"/root/fine"))
	m := clone(t, dir+"/root", 0)
	for _, rel := range []string{"absolute", "up", "..", "/in", "in/../../outside"} {
		_, err := m.Open(rel, unix.O_PATH)
		failed(t, err, unix.EXDEV)
	}
	must(t, got(m.Open("fine", unix.O_PATH))(t).Close())
	_, err := m.Open("not-there", unix.O_RDONLY)
	failed(t, err, unix.ENOENT)
}

func TestResolveStaysInside(t *testing.T) {
	dir := private(t)
	in := mkdirs(t, dir, "etc", "root/in")
	must(t, os.Symlink("/in", dir+"/root/absolute"))
	must(t, os.Symlink("../../../in", dir+"/root/up"))
	m := clone(t, dir+"/root", 0)
	want := inode(t, in)
	for _, rel := range []string{"absolute", "up", "/in", "../in"} {
		f := got(m.Resolve(rel, unix.O_PATH))(t)
		if fileInode(t, f) != want {
			t.Errorf("%s leads elsewhere", rel)
		}
		must(t, f.Close())
	}
	must(t, os.Symlink("/proc/self/exe", dir+"/root/exe"))
	_, err := m.Resolve("exe", unix.O_PATH)
	failed(t, err, unix.ENOENT)
}

func TestOwnershipOfAMount(t *testing.T) {
	checkDescriptors(t)
	m := got(scratch())(t)
	fd := m.Fd()
	if m.File() == nil || int(m.File().Fd()) != fd {
		t.Error("File is not the mount's")
	}
	f := m.Disown()
	if m.Fd() != -1 || m.File() != nil || m.Disown() != nil {
		t.Error("a disowned descriptor is still there")
	}
	must(t, m.Close())
	again := AdoptMount(f)
	must(t, got(again.Open("a", unix.O_PATH))(t).Close())
	must(t, again.Close())
	must(t, again.Close())
	failed(t, again.Attach(nil, "/"), unix.EBADF)
	failed(t, again.SetAttr(AttrReadOnly, 0, false), unix.EBADF)
	_, err := again.Open("a", unix.O_PATH)
	failed(t, err, unix.EBADF)
	_, err = again.ID()
	failed(t, err, unix.EBADF)
	_, err = PickFS(again)
	failed(t, err, unix.EBADF)
	var none *Mount
	must(t, none.Close())
}

func device(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	return st.Dev
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	return st.Ino
}

func fileInode(t *testing.T, f *os.File) uint64 {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Fstat(int(f.Fd()), &st))
	return st.Ino
}
