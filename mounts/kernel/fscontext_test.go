package kernel

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenFS(t *testing.T) {
	checkDescriptors(t)
	c := open(t, "tmpfs")
	if flags := got(unix.FcntlInt(uintptr(c.number()), unix.F_GETFD, 0))(t); flags&unix.FD_CLOEXEC == 0 {
		t.Error("a context is not close-on-exec")
	}
	_, err := OpenFS("no-such-fs")
	if e := failed(t, err, unix.ENODEV); e.Op != "fsopen" || e.FS != "no-such-fs" {
		t.Errorf("error is %+v", e)
	}
}

func TestContextMakesADetachedMount(t *testing.T) {
	dir := private(t)
	c := open(t, "tmpfs")
	must(t, c.SetString("source", "some-name"))
	must(t, c.SetString("mode", "0711"))
	must(t, c.SetFlag("ro"))
	m := got(c.Mount(AttrNoSuid | AttrNoAtime))(t)
	defer m.Close()
	var st unix.Stat_t
	must(t, unix.Fstat(m.Fd(), &st))
	if st.Mode != unix.S_IFDIR|0o711 {
		t.Errorf("mode is %o", st.Mode)
	}
	failedErrno(t, unix.Mkdirat(m.Fd(), "x", 0o755), unix.EROFS)
	must(t, m.Attach(nil, mkdirs(t, dir, "at")))
	var fs unix.Statfs_t
	must(t, unix.Statfs(dir+"/at", &fs))
	const mask = unix.ST_NOSUID | unix.ST_NOATIME | unix.ST_NODEV | unix.ST_NOEXEC
	if fs.Type != unix.TMPFS_MAGIC || fs.Flags&mask != unix.ST_NOSUID|unix.ST_NOATIME {
		t.Errorf("mount is %+v", fs)
	}
	if m.Name() != "tmpfs:some-name" {
		t.Errorf("name is %s", m.Name())
	}
}

func TestContextMakesOneFilesystem(t *testing.T) {
	checkDescriptors(t)
	c := open(t, "tmpfs")
	must(t, got(c.Mount(0))(t).Close())
	_, err := c.Mount(0)
	if e := failed(t, err, unix.EBUSY); e.Op != "fsconfig create" {
		t.Errorf("error is %v", e)
	}
}

func TestMountWithUnknownAttributes(t *testing.T) {
	checkDescriptors(t)
	_, err := open(t, "tmpfs").Mount(AttrReadOnly | 1<<30)
	if e := failed(t, err, unix.EINVAL); e.Flags != "cloexec attr=ro|0x40000000" {
		t.Errorf("flags are %q", e.Flags)
	}
}

func TestSetFileGivesOverlayItsLayers(t *testing.T) {
	needs(t, OverlayDetachedLayer)
	checkDescriptors(t)
	tmpfs := got(scratch())(t)
	defer tmpfs.Close()
	must(t, unix.Mkdirat(tmpfs.Fd(), "a/from-a", 0o755))
	must(t, unix.Mkdirat(tmpfs.Fd(), "b/from-b", 0o755))
	c := open(t, "overlay")
	for _, name := range scratchDirs {
		layer := got(tmpfs.Open(name, unix.O_PATH))(t)
		must(t, c.SetFile("lowerdir+", layer))
		must(t, layer.Close())
	}
	root := got(c.Mount(AttrReadOnly))(t)
	defer root.Close()
	for _, name := range []string{"from-a", "from-b"} {
		must(t, got(root.Open(name, unix.O_PATH))(t).Close())
	}
}

func TestSetFileOfTheWrongKind(t *testing.T) {
	checkDescriptors(t)
	c := open(t, "tmpfs")
	e := failed(t, c.SetFile("size", os.Stdin), unix.EINVAL)
	if len(e.Log) == 0 || e.Source != os.Stdin.Name() {
		t.Errorf("error is %+v", e)
	}
}

func TestReconfigure(t *testing.T) {
	private(t)
	m := newTmpfs(t)
	must(t, unix.Mkdirat(m.Fd(), "d", 0o755))
	c := got(PickFS(m))(t)
	defer c.Close()
	must(t, c.SetFlag("ro"))
	must(t, c.Reconfigure())
	failedErrno(t, unix.Mkdirat(m.Fd(), "e", 0o755), unix.EROFS)

	again := got(PickFS(m))(t)
	defer again.Close()
	must(t, again.SetString("size", "1G"))
	must(t, again.SetString("mpol", "default"))
	must(t, again.SetString("nr_inodes", "1"))
	if e := failed(t, again.Reconfigure(), unix.EINVAL); len(e.Log) == 0 {
		t.Errorf("no word on why: %v", e)
	}
}

func TestPickFSNeedsARoot(t *testing.T) {
	dir := private(t)
	below := got(OpenTree(nil, mkdirs(t, dir, "below"), 0))(t)
	defer below.Close()
	_, err := PickFS(below)
	failed(t, err, unix.EINVAL)
}

func TestMountNamespace(t *testing.T) {
	checkDescriptors(t)
	n, err := open(t, "tmpfs").MountNamespace(0)
	if !has(t, FSMountNamespace) {
		failed(t, err, unix.EINVAL)
		return
	}
	must(t, err)
	defer n.Close()
	must(t, checkNamespace(n.Fd()))
}

func TestClosedContext(t *testing.T) {
	checkDescriptors(t)
	c := got(OpenFS("tmpfs"))(t)
	must(t, c.Close())
	must(t, c.Close())
	failed(t, c.SetFlag("ro"), unix.EBADF)
	_, err := c.Mount(0)
	failed(t, err, unix.EBADF)
}

func failedErrno(t *testing.T, err, want error) {
	t.Helper()
	if err != want {
		t.Errorf("got %v, want %v", err, want)
	}
}

// has tells what the probe says; not being able to say is a failure.
func has(t *testing.T, f *Feature) bool {
	t.Helper()
	err := f.Probe()
	must(t, ignoring(ErrNotSupported, err))
	return err == nil
}

// needs skips the test on kernels without the feature, and says so.
func needs(t *testing.T, f *Feature) {
	t.Helper()
	if !has(t, f) {
		t.Skipf("KERNEL LACKS %s, which came with Linux %s", f, f.Since)
	}
}
