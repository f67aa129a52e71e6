package kernel

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestListAndStat(t *testing.T) {
	needs(t, StatMount)
	dir := private(t)
	mkdirs(t, dir, "at")
	m := clone(t, dir, 0)
	must(t, m.SetAttr(AttrNoExec, 0, false))
	must(t, m.Attach(nil, dir+"/at"))
	sub := newTmpfs(t)
	must(t, sub.Attach(nil, dir+"/at/at"))

	id, subID := got(m.ID())(t), got(sub.ID())(t)
	if below := got(List(id))(t); !slices.Equal(below, []MountID{subID}) {
		t.Errorf("below are %v, want %d", below, subID)
	}
	if all := got(List(RootMount))(t); !slices.Contains(all, id) || !slices.Contains(all, subID) {
		t.Errorf("%d and %d are not among %v", id, subID, all)
	}
	s := got(Stat(subID))(t)
	want := MountStat{
		ID: subID, Parent: id, Propagation: Private, Device: device(t, dir+"/at/at"),
		FSType: "tmpfs", Root: "/", Point: dir + "/at/at",
	}
	if s != want {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
	if s := got(Stat(id))(t); s.Attrs != AttrNoExec {
		t.Errorf("mount is %+v", s)
	}
}

// More mounts than one call lists.
func TestListMany(t *testing.T) {
	needs(t, StatMount)
	dir := private(t)
	const many = listChunk + 3
	var want []MountID
	for range many {
		m := got(OpenTree(nil, dir, TreeClone))(t)
		must(t, m.Attach(nil, mkdirs(t, dir, "at")))
		want = append(want, got(m.ID())(t))
		must(t, m.Close())
	}
	all := got(List(RootMount))(t)
	for _, id := range want {
		if !slices.Contains(all, id) {
			t.Errorf("%d is missing", id)
		}
	}
	if !slices.IsSorted(all) || len(slices.Compact(all)) < many {
		t.Errorf("%d mounts, not in order or double", len(all))
	}
}

func TestStatOfNothing(t *testing.T) {
	needs(t, StatMount)
	_, err := Stat(1 << 60)
	failed(t, err, unix.ENOENT)
	_, err = List(1 << 60)
	failed(t, err, unix.ENOENT)
}
