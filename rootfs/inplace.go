package rootfs

import (
	"os"
	"strings"

	"tango/mounts/kernel"

	"golang.org/x/sys/unix"
)

// maxData is what mount(2) takes as options, with the final zero: a page.
const maxData = 4096

// overlaySpec is an overlay that is made only when it is attached. Where it is
// attached mount(2) can often make it in one call; before, and elsewhere, it
// takes one call to make it and one to attach it.
type overlaySpec struct {
	preparer *Preparer
	rootfs   *Rootfs
	body     overlay
	step     step
	way      Way

	base  place       // directory that all layers lie below
	path  string      // of base, if the layers are not id-mapped
	mount *layerMount // whose root base is, if they are
	lower []string    // layers, relative to base
	upper place       // on the host
}

// inPlace returns the overlay to be made when it is attached; nil if that can't
// be one call, since it has layers at several places, flags, or names that one
// option string can't hold.
func (p *Preparer) inPlace(r *Rootfs, o overlay, s step, way Way) (*overlaySpec, error) {
	spec := &overlaySpec{preparer: p, rootfs: r, body: o, step: s, way: way}
	if !p.config.InPlace || o.upper == "" || len(o.data) > 0 || s.flags != 0 {
		return nil, nil
	}
	var ok bool
	var err error
	if spec.upper, err = findDir(o.upper); err != nil {
		return nil, nil // making it finds the words for that
	}
	switch way {
	case WayPlain:
		ok, err = spec.findPlain()
	case WayDetached:
		ok, err = spec.findShared()
	}
	if err != nil || !ok || len(spec.data()) >= maxData || strings.ContainsAny(strings.Join(spec.names(), ""), `,:\`) {
		return nil, err
	}
	return spec, nil
}

// findPlain sets the base to the directory that the layers lie below.
func (o *overlaySpec) findPlain() (bool, error) {
	n, ok := findNest(o.body.lower)
	if !ok {
		return false, nil
	}
	defer n.dir.Close()
	o.base, o.path, o.lower = n.at, n.path, n.below
	return true, nil
}

// findShared sets the base to the shared mount through which the layers are
// id-mapped.
func (o *overlaySpec) findShared() (bool, error) {
	reached := reach{preparer: o.preparer, rootfs: o.rootfs, mapping: o.step.mapping}
	if ok, err := o.findSharedNest(&reached); ok || err != nil {
		return ok, err
	}
	if err := reached.open(o.body.lower); err != nil {
		return false, err
	}
	defer reached.close()
	o.mount = reached.layers[0].group
	for _, l := range reached.layers {
		if l.group != o.mount {
			return false, nil
		}
		o.lower = append(o.lower, l.rel)
	}
	return true, nil
}

// findSharedNest does so where the layers are where snapshotters have them, in a nest.
func (o *overlaySpec) findSharedNest(r *reach) (bool, error) {
	n, ok := findNest(o.body.lower)
	if !ok {
		return false, nil
	}
	defer n.dir.Close()
	shared, err := r.share(n.path, n.at)
	if err != nil || !n.isBelow(shared.mount) {
		return false, err
	}
	o.mount, o.lower = shared, n.below
	return true, nil
}

// names are the paths that go into the options.
func (o *overlaySpec) names() []string {
	return append([]string{o.body.upper, o.body.work}, o.lower...)
}

func (o *overlaySpec) data() string {
	options := append([]string{
		"lowerdir=" + strings.Join(o.lower, ":"),
		"upperdir=" + o.body.upper,
		"workdir=" + o.body.work,
	}, o.body.params...)
	return strings.Join(options, ",")
}

// make makes the overlay the usual way, detached. It does so on a thread of its
// own, because the caller may be in a namespace that doesn't show the layers.
func (o *overlaySpec) make() (m *kernel.Mount, _ error) {
	err := kernel.InNewThread(func() (err error) {
		m, err = o.preparer.makeOverlay(o.rootfs, o.body, o.step, o.way)
		return err
	})
	return m, err
}

// mountOn makes the overlay on dir. False says that it can't be made here:
// another namespace may not show what it is made of.
func (o *overlaySpec) mountOn(dir *os.File) bool {
	if !o.enterBase() {
		return false
	}
	defer func() { _ = unix.Chdir("/") }()
	return kernel.MountOn(dir, "overlay", o.body.source, 0, o.data()) == nil
}

// enterBase makes the base the thread's working directory, if it and the upper
// directory, beside which the work directory is, are here what they are on the
// host.
func (o *overlaySpec) enterBase() bool {
	upper, err := findDir(o.body.upper)
	if err != nil || !upper.sameFile(o.upper) {
		return false
	}
	if o.mount != nil {
		return unix.Fchdir(o.mount.mount.Fd()) == nil
	}
	base, err := findDir(o.path)
	return err == nil && base.sameFile(o.base) && unix.Chdir(o.path) == nil
}
