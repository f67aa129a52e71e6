package rootfs

import (
	"fmt"
	"path/filepath"
	"slices"

	"tango/mounts/kernel"
)

// privateOverlay makes an overlay in the stage, where shared mounts of the
// layers' parents are attached, for kernels that find layers by path only. Upper
// and work directory are reached through a copy of their mount, attached there
// for the time of the call.
func (p *Preparer) privateOverlay(r *Rootfs, o overlay, s step, way Way) (*kernel.Mount, error) {
	st, err := p.openStage()
	if err != nil {
		return nil, err
	}
	reached := reach{preparer: p, rootfs: r, mapping: s.mapping, staged: true}
	if err := reached.open(slices.Concat(o.lower, o.data)); err != nil {
		return nil, err
	}
	defer reached.close()
	writable, err := openWritable(o)
	if err != nil {
		return nil, err
	}
	defer p.freeLater(func() { writable.mount.Close() })

	var mount *kernel.Mount
	err = st.do(func() (err error) {
		dirs := stagedDirs(o, reached.layers)
		if o.upper != "" {
			name, err := st.attach(writable.mount)
			if err != nil {
				return err
			}
			defer st.detach(name)
			dirs.upper.path = name + "/" + writable.upper
			dirs.work.path = name + "/" + writable.work
		}
		if way == WayOptions {
			mount, err = st.assembleByString(o, s.flags, dirs)
		} else {
			mount, err = assemble(o, s.flags, dirs)
		}
		return err
	})
	return mount, err
}

// openStage starts the stage for its first user.
func (p *Preparer) openStage() (*stage, error) {
	p.stageOnce.Do(func() { p.stage, p.stageErr = newStage(p.config.Private, p.free, p.config.Log) })
	return p.stage, p.stageErr
}

// stagedDirs are the layers as the stage's thread finds them.
func stagedDirs(o overlay, layers []layer) overlayDirs {
	refs := make([]dirRef, 0, len(layers))
	for _, l := range layers {
		refs = append(refs, dirRef{name: l.path, path: filepath.Join(l.group.staged, l.rel)})
	}
	return overlayDirs{lower: refs[:len(o.lower)], data: refs[len(o.lower):]}
}

// writableDirs is a mount that an overlay's upper and work directory lie on.
type writableDirs struct {
	mount       *kernel.Mount // nil in a read-only view
	upper, work string        // below the mount's root
}

// openWritable copies the mount of an overlay's writable directories; overlayfs
// insists that it is one mount. Symlinks are resolved first, since the stage
// lacks what they may lead over.
func openWritable(o overlay) (w writableDirs, err error) {
	if o.upper == "" {
		return w, nil
	}
	upper, err := filepath.EvalSymlinks(o.upper)
	if err != nil {
		return w, fmt.Errorf("cannot use upperdir %q: %w", o.upper, err)
	}
	work, err := filepath.EvalSymlinks(o.work)
	if err != nil {
		return w, fmt.Errorf("cannot use workdir %q: %w", o.work, err)
	}
	upperAt, err := findDir(upper)
	if err != nil {
		return w, fmt.Errorf("cannot use upperdir %q: %w", o.upper, err)
	}
	workAt, err := findDir(work)
	if err != nil {
		return w, fmt.Errorf("cannot use workdir %q: %w", o.work, err)
	}
	parent := commonDir(filepath.Dir(upper), filepath.Dir(work))
	parentAt, err := findDir(parent)
	if err != nil {
		return w, fmt.Errorf("cannot use upperdir %q: %w", o.upper, err)
	}
	if upperAt.mount != parentAt.mount || workAt.mount != parentAt.mount {
		return w, fmt.Errorf("cannot use upperdir %q with workdir %q: they, and what they lie in, must be on one mount", o.upper, o.work)
	}
	w.upper, w.work = relativeTo(parent, upper), relativeTo(parent, work)
	w.mount, err = kernel.OpenTree(nil, parent, kernel.TreeClone)
	return w, err
}
