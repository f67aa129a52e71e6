package rootfs

import (
	"slices"

	"tango/mounts/kernel"
)

// detachedOverlay makes an overlay of layers opened below shared mounts that are
// attached nowhere.
func (p *Preparer) detachedOverlay(r *Rootfs, o overlay, s step) (*kernel.Mount, error) {
	reached := reach{preparer: p, rootfs: r, mapping: s.mapping}
	if err := reached.open(slices.Concat(o.lower, o.data)); err != nil {
		return nil, err
	}
	defer reached.close()
	refs := make([]dirRef, 0, len(reached.layers))
	for _, l := range reached.layers {
		refs = append(refs, dirRef{name: l.path, file: l.dir})
	}
	dirs := overlayDirs{lower: refs[:len(o.lower)], data: refs[len(o.lower):]}
	var files openFiles
	defer files.close()
	if o.upper != "" {
		if err := files.upperAndWork(o, &dirs); err != nil {
			return nil, err
		}
	}
	return assemble(o, s.flags, dirs)
}
