package rootfs

import (
	"errors"

	"tango/mounts/kernel"
)

// Tree is a detached mount of a root filesystem and its place below the root.
type Tree struct {
	Mount  *kernel.Mount
	Target string // empty is the root itself
}

var errLate = errors.New("cannot hand over a root filesystem that is made only when it is attached")

// HandOver gives up the mounts, in the order in which they are to be attached, to
// whoever attaches them: another process, mostly, which makes a Rootfs of them by
// [Preparer.Adopt]. The caller owns them. What the root filesystem shares with
// others stays the Rootfs's own until it is closed; what was handed over does not
// need it.
func (r *Rootfs) HandOver() ([]Tree, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.parts) == 0 {
		return nil, ErrSpent
	}
	trees := make([]Tree, 0, len(r.parts))
	for _, p := range r.parts {
		if p.late != nil {
			return nil, errLate
		}
		trees = append(trees, Tree{Mount: p.mount, Target: p.target})
	}
	r.parts = nil
	return trees, nil
}

// Adopt makes a Rootfs of mounts that another Preparer has made, the given way,
// and takes them over. needsLocks is what their Rootfs said.
func (p *Preparer) Adopt(trees []Tree, way Way, needsLocks bool) *Rootfs {
	r := &Rootfs{preparer: p, way: way, locked: needsLocks}
	for _, t := range trees {
		r.parts = append(r.parts, part{mount: t.Mount, target: t.Target})
	}
	return r
}
