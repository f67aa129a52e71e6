package kernel

import (
	"slices"
	"strings"
	"testing"
	"unsafe"

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

// FuzzDecodeStat wants whatever is in the buffer read without a fault, and no byte
// from outside of it.
func FuzzDecodeStat(f *testing.F) {
	size := int(unsafe.Sizeof(statmountHeader{}))
	seed := make([]byte, size+16)
	h := (*statmountHeader)(unsafe.Pointer(&seed[0]))
	h.mask, h.fsType, h.root, h.point = statWanted, 0, 6, 8
	copy(seed[size:], "tmpfs\x00/\x00/at\x00")
	f.Add(slices.Clone(seed))
	h.point = 15
	copy(seed[size+15:], "/") // without an end
	f.Add(slices.Clone(seed))
	h.root, h.fsType = 1<<32-1, 16
	f.Add(seed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		buf := make([]uint64, (size+max(size, len(data)))/8)
		raw := unsafe.Slice((*byte)(unsafe.Pointer(&buf[0])), len(buf)*8)
		copy(raw, data)
		s := decodeStat(buf)
		for _, text := range []string{s.FSType, s.Root, s.Point} {
			if strings.Contains(text, "\x00") || !strings.Contains(string(raw[size:]), text) {
				t.Fatalf("%+q is not a text of %x", text, data)
			}
		}
	})
}
