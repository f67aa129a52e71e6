package kernel

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"tango/mounts/userns"
)

// attrs asks the kernel for a mount's properties.
func attrs(t *testing.T, m *Mount) MountAttr {
	t.Helper()
	return got(Stat(got(m.ID())(t)))(t).Attrs
}

func TestSetAttr(t *testing.T) {
	needs(t, StatMount)
	dir := private(t)
	m := newTmpfs(t)
	must(t, m.Attach(nil, mkdirs(t, dir, "at")))
	for _, step := range []struct{ set, clear, want MountAttr }{
		{AttrReadOnly | AttrNoSuid, 0, AttrReadOnly | AttrNoSuid},
		{AttrNoExec, AttrReadOnly, AttrNoSuid | AttrNoExec},
		{AttrNoAtime, 0, AttrNoSuid | AttrNoExec | AttrNoAtime},
		{AttrStrictAtime, AttrNoSuid, AttrNoExec | AttrStrictAtime},
		{AttrNoSymFollow | AttrNoDev, AttrAtime | AttrNoExec, AttrNoSymFollow | AttrNoDev},
	} {
		must(t, m.SetAttr(step.set, step.clear, false))
		if now := attrs(t, m); now != step.want {
			t.Errorf("after +%s -%s: %s, want %s", step.set, step.clear, now, step.want)
		}
	}
}

func TestSetAttrFails(t *testing.T) {
	dir := private(t)
	e := failed(t, newTmpfs(t).SetAttr(AttrReadOnly|1<<40, AttrNoDev, true), unix.EINVAL)
	if e.Flags != "set=ro|0x10000000000,clear=nodev,recursive" || e.Op != "mount_setattr" {
		t.Errorf("error is %+v", e)
	}
	// What is not the root of a mount has no properties.
	below := got(OpenTree(nil, mkdirs(t, dir, "below"), 0))(t)
	defer below.Close()
	failed(t, below.SetAttr(AttrReadOnly, 0, false), unix.EINVAL)
}

func TestSetAttrRecursive(t *testing.T) {
	dir := private(t)
	must(t, newTmpfs(t).Attach(nil, mkdirs(t, dir, "sub")))
	for _, recursive := range []bool{false, true} {
		m := clone(t, dir, TreeRecursive)
		must(t, m.SetAttr(AttrReadOnly, 0, recursive))
		failedErrno(t, unix.Mkdirat(m.Fd(), "x", 0o755), unix.EROFS)
		sub := got(m.Resolve("sub", unix.O_PATH))(t)
		err := unix.Mkdirat(int(sub.Fd()), fmt.Sprint(recursive), 0o755)
		if recursive != (err == unix.EROFS) {
			t.Errorf("recursive %v: mkdir in a mount below: %v", recursive, err)
		}
		must(t, sub.Close())
	}
}

func TestMountPropagation(t *testing.T) {
	needs(t, StatMount)
	dir := private(t)
	m := newTmpfs(t)
	must(t, m.Attach(nil, mkdirs(t, dir, "at")))
	for _, p := range []Propagation{Shared, Slave, Private, Unbindable} {
		must(t, m.SetPropagation(p, false))
		s := got(Stat(got(m.ID())(t)))(t)
		// A slave without peers has no master: it is private.
		want := p
		if p == Slave {
			want = Private
		}
		if s.Propagation != want || (p == Shared) != (s.PeerGroup != 0) {
			t.Errorf("after %s: %+v", p, s)
		}
	}
	e := failed(t, m.SetPropagation(Private|Shared, true), unix.EINVAL)
	if e.Flags != "private|shared,recursive" {
		t.Errorf("flags are %q", e.Flags)
	}
}

func newUserns(t *testing.T, host uint32) *os.File {
	t.Helper()
	ids := []userns.IDMap{{ContainerID: 0, HostID: host, Size: 1000}}
	ns := got(userns.Open(ids, ids))(t)
	t.Cleanup(func() { must(t, ns.Close()) })
	return ns
}

func TestIDMap(t *testing.T) {
	needs(t, TmpfsIDMap)
	checkDescriptors(t)
	m := got(scratch())(t)
	defer m.Close()
	must(t, unix.Fchownat(m.Fd(), "a", 5, 6, 0))
	must(t, m.IDMap(newUserns(t, 100000), AttrReadOnly|AttrNoAtime))
	var st unix.Stat_t
	must(t, unix.Fstatat(m.Fd(), "a", &st, 0))
	if st.Uid != 100005 || st.Gid != 100006 {
		t.Errorf("owner is %d:%d", st.Uid, st.Gid)
	}
	failedErrno(t, unix.Mkdirat(m.Fd(), "x", 0o755), unix.EROFS)
	// Once is for good.
	e := failed(t, m.IDMap(newUserns(t, 200000), 0), unix.EPERM)
	if e.Flags != "set=idmap,private" {
		t.Errorf("flags are %q", e.Flags)
	}
}

// cloners are the ways of [CloneTree] that this kernel has.
func cloners(t *testing.T) map[string]func(*os.File, string, Change) (*Mount, error) {
	t.Helper()
	ways := map[string]func(*os.File, string, Change) (*Mount, error){"two calls": cloneThenChange}
	if err := OpenTreeAttr.Probe(); err == nil {
		ways["one call"] = cloneAtOnce
	} else {
		t.Log("NOT TESTED on this kernel: open_tree_attr")
	}
	return ways
}

// TestCloneTree clones, alone and with what is mounted below, and has everything
// changed by the same token.
func TestCloneTree(t *testing.T) {
	needs(t, TmpfsIDMap)
	dir := mkdirs(t, private(t), "at")
	must(t, newTmpfs(t).Attach(nil, dir))
	must(t, newTmpfs(t).Attach(nil, mkdirs(t, dir, "sub")))
	users := newUserns(t, 100000)
	for name, cloneTree := range cloners(t) {
		for _, recursive := range []bool{false, true} {
			m, err := cloneTree(nil, dir, Change{Set: AttrReadOnly, Propagation: Private, Users: users, Recursive: recursive})
			if err != nil {
				t.Fatalf("%s, recursive %v: %v", name, recursive, err)
			}
			failedErrno(t, unix.Mkdirat(m.Fd(), "x", 0o755), unix.EROFS)
			if got := ownerOf(t, m, "."); got != 100000 {
				t.Errorf("%s, recursive %v: the root belongs to %d", name, recursive, got)
			}
			sub := got(m.Resolve("sub", unix.O_PATH))(t)
			shown := unix.Mkdirat(int(sub.Fd()), "x", 0o755) == unix.EROFS && ownerOf(t, m, "sub") == 100000
			if !shown {
				t.Errorf("%s, recursive %v: what is mounted below, or its place, is not changed", name, recursive)
			}
			must(t, sub.Close())
			must(t, m.Close())
		}
	}
}

func ownerOf(t *testing.T, m *Mount, name string) uint32 {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Fstatat(m.Fd(), name, &st, 0))
	return st.Uid
}

// TestCloneTreeFails leaves nothing behind, whichever part of it fails.
func TestCloneTreeFails(t *testing.T) {
	checkDescriptors(t)
	dir := mkdirs(t, private(t), "at")
	must(t, newTmpfs(t).Attach(nil, dir))
	for name, cloneTree := range cloners(t) {
		for _, c := range []struct {
			path   string
			change Change
			want   unix.Errno
		}{
			{dir + "/none", Change{Propagation: Private}, unix.ENOENT},
			{dir, Change{Propagation: Private | Shared}, unix.EINVAL},
			{"/proc", Change{Set: AttrReadOnly, Propagation: Private, Users: newUserns(t, 100000)}, unix.EINVAL},
		} {
			m, err := cloneTree(nil, c.path, c.change)
			if m != nil {
				t.Errorf("%s: got a mount of %s", name, c.path)
			}
			failed(t, err, c.want)
		}
	}
}

func TestIDMapNeedsAUserNamespace(t *testing.T) {
	checkDescriptors(t)
	m := newTmpfs(t)
	other := got(os.Open("/proc/self/ns/net"))(t)
	defer other.Close()
	failed(t, m.IDMap(other, 0), unix.EINVAL)
	own := got(os.Open("/proc/self/ns/user"))(t)
	defer own.Close()
	failed(t, m.IDMap(own, 0), unix.EPERM)
}
