package rootfs

import (
	"fmt"
	"os"
	"path"

	"tango/mounts/kernel"

	"golang.org/x/sys/unix"
)

// place is a directory and the mount it is seen through.
type place struct {
	dev, ino uint64
	mount    uint64 // STATX_MNT_ID: not used again while the mount lives
}

// sameFile tells whether both are the same directory, through whatever mounts.
func (a place) sameFile(b place) bool { return a.dev == b.dev && a.ino == b.ino }

// findDir finds the directory at p, from the calling thread.
func findDir(p string) (place, error) {
	return statPlace(unix.AT_FDCWD, p, 0)
}

// placeOf tells which directory f is.
func placeOf(f *os.File) (place, error) {
	return statPlace(int(f.Fd()), "", unix.AT_EMPTY_PATH)
}

func statPlace(dirfd int, p string, flags int) (place, error) {
	var st unix.Statx_t
	const mask = unix.STATX_TYPE | unix.STATX_INO | unix.STATX_MNT_ID
	if err := unix.Statx(dirfd, p, flags, mask, &st); err != nil {
		return place{}, &os.PathError{Op: "statx", Path: p, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return place{}, &os.PathError{Op: "statx", Path: p, Err: unix.ENOTDIR}
	}
	return place{dev: unix.Mkdev(st.Dev_major, st.Dev_minor), ino: st.Ino, mount: st.Mnt_id}, nil
}

// groupKey tells shared mounts apart.
type groupKey struct {
	parent  place
	mapping string
	staged  bool // attached in the stage
}

// layerMount is a read-only mount of a directory that layers lie below.
type layerMount struct {
	mount  *kernel.Mount
	staged string // name in the stage, if attached there
}

// layer is one layer as it is reached through a layerMount.
type layer struct {
	path  string
	place place
	group *layerMount
	rel   string
	dir   *os.File
}

// reach finds the directories of layers through shared, read-only mounts with
// the step's mapping, whose shares go to r. The caller owns the opened files.
type reach struct {
	preparer *Preparer
	rootfs   *Rootfs
	mapping  Mapping
	staged   bool
	layers   []layer
}

// open reaches every layer. On an error nothing stays open.
func (r *reach) open(paths []string) (retErr error) {
	r.layers = make([]layer, len(paths))
	defer func() {
		if retErr != nil {
			r.close()
		}
	}()
	// A mount of a parent does not show what is mounted below it: layers are
	// grouped per mount.
	var mounts []uint64
	byMount := make(map[uint64][]int)
	for i, p := range paths {
		at, err := findDir(p)
		if err != nil {
			return fmt.Errorf("cannot find layer %d %q: %w", i, p, err)
		}
		r.layers[i] = layer{path: p, place: at}
		if byMount[at.mount] == nil {
			mounts = append(mounts, at.mount)
		}
		byMount[at.mount] = append(byMount[at.mount], i)
	}
	for _, m := range mounts {
		if err := r.openMount(byMount[m]); err != nil {
			return err
		}
	}
	return nil
}

// openMount reaches layers that lie on one mount.
func (r *reach) openMount(indexes []int) error {
	paths := make([]string, len(indexes))
	for i, index := range indexes {
		paths[i] = r.layers[index].path
	}
	for _, g := range groupLayers(paths) {
		for i := range g.members {
			g.members[i].index = indexes[g.members[i].index]
		}
		if err := r.openGroup(g); err != nil {
			return err
		}
	}
	return nil
}

// openGroup reaches a group's layers through its parent, or, those that it
// cannot, each through a mount of its own.
func (r *reach) openGroup(g group) error {
	var shared *layerMount
	g, parent, ok := r.settle(g)
	if ok {
		var err error
		if shared, err = r.share(g.parent, parent); err != nil {
			return err
		}
	}
	for _, m := range g.members {
		if shared != nil && r.openBelow(shared, m) {
			continue
		}
		if err := r.openAlone(m.index); err != nil {
			return err
		}
	}
	return nil
}

// settle finds a parent that is on the layers' own mount: the group's, or, where
// a mount point lies between, the deepest they have in common. False says that
// there is none.
func (r *reach) settle(g group) (group, place, bool) {
	mount := r.layers[g.members[0].index].place.mount
	for _, dir := range []string{g.parent, r.deepest(g)} {
		at, err := findDir(dir)
		if err != nil || at.mount != mount {
			continue
		}
		members := make([]member, 0, len(g.members))
		for _, m := range g.members {
			members = append(members, member{index: m.index, rel: relativeTo(dir, r.layers[m.index].path)})
		}
		return group{parent: dir, members: members}, at, dir != r.layers[g.members[0].index].path
	}
	return g, place{}, false
}

// deepest is the deepest directory that all layers of a group lie below.
func (r *reach) deepest(g group) string {
	dir := path.Dir(r.layers[g.members[0].index].path)
	for _, m := range g.members[1:] {
		dir = commonDir(dir, path.Dir(r.layers[m.index].path))
	}
	return dir
}

// share gives r the shared mount of a directory.
func (r *reach) share(dir string, at place) (*layerMount, error) {
	key := groupKey{parent: at, mapping: r.mapping.String(), staged: r.staged}
	l, err := r.preparer.groups.acquire(key, func() (*layerMount, error) {
		return r.preparer.mountLayers(r.rootfs, dir, r.mapping, r.staged)
	})
	if err != nil {
		return nil, err
	}
	r.rootfs.shares = append(r.rootfs.shares, l)
	return l.value, nil
}

// openBelow opens a layer below a shared mount. False says that this leads
// elsewhere than its path does, as with symlinks to other places.
func (r *reach) openBelow(shared *layerMount, m member) bool {
	dir, err := shared.mount.Open(m.rel, unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	l := &r.layers[m.index]
	at, err := placeOf(dir)
	if err != nil || !at.sameFile(l.place) {
		dir.Close()
		return false
	}
	l.group, l.rel, l.dir = shared, m.rel, dir
	return true
}

// openAlone reaches a layer through a mount of nothing but itself.
func (r *reach) openAlone(index int) error {
	l := &r.layers[index]
	r.preparer.ungrouped.Add(1)
	r.preparer.config.Log.WithField("layer", l.path).Debug("layer is mounted alone: it lies on, or leads to, another mount than its siblings")
	shared, err := r.share(l.path, l.place)
	if err != nil {
		return err
	}
	if !r.openBelow(shared, member{index: index, rel: "."}) {
		return fmt.Errorf("cannot open layer %d %q: it was replaced meanwhile", index, l.path)
	}
	return nil
}

func (r *reach) close() {
	for i := range r.layers {
		if r.layers[i].dir != nil {
			r.layers[i].dir.Close()
			r.layers[i].dir = nil
		}
	}
}

// mountLayers makes the mount that a group shares. It is private, so that what
// the host mounts below the directory does not follow.
func (p *Preparer) mountLayers(r *Rootfs, dir string, mapping Mapping, staged bool) (*layerMount, error) {
	m, err := p.cloneTree(r, dir, kernel.AttrReadOnly, false, mapping)
	if err != nil {
		return nil, fmt.Errorf("cannot share layers below %q: %w", dir, err)
	}
	l := &layerMount{mount: m}
	if staged {
		err = p.stage.do(func() (err error) {
			l.staged, err = p.stage.attach(m)
			return err
		})
	}
	if err != nil {
		p.freeLater(func() { m.Close() })
		return nil, err
	}
	return l, nil
}

// freeLayerMount gives a shared mount back to the kernel.
func (p *Preparer) freeLayerMount(l *layerMount) {
	if l.staged != "" {
		// Attached, so closing it is no unmount.
		p.stage.detach(l.staged)
	}
	p.freeLater(func() { l.mount.Close() })
}
