package rootfs

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"tango/mounts/fault"
	"tango/mounts/kernel"

	"golang.org/x/sys/unix"
)

// Rootfs is a prepared root filesystem: detached mounts until it is attached.
type Rootfs struct {
	preparer *Preparer
	way      Way  // of its last overlay; WayAuto if it has none
	locked   bool // see NeedsLocks; fixed when prepared

	mu       sync.Mutex
	parts    []part                          // guarded by mu; empty once attached or closed
	shares   []*lease[groupKey, *layerMount] // guarded by mu; empty once closed
	mappings []*lease[string, *os.File]      // likewise
}

// Way is how its overlay is made; [WayAuto] if it has none.
func (r *Rootfs) Way() Way { return r.way }

// part is one mount of a root filesystem and its place below the root.
type part struct {
	mount  *kernel.Mount
	late   *overlaySpec // instead of mount: made when it is attached
	target string
}

// ErrSpent says that a Rootfs was attached or closed before.
var ErrSpent = errors.New("cannot attach root filesystem: it was attached or closed before")

// NeedsLocks tells whether a mount shows what is the host's, or has properties
// such as read-only or nodev, so that root in a container's user namespace must
// not be able to change them. The kernel locks mounts when it copies them into a
// mount namespace of another user namespace; what is attached in one is not
// locked.
func (r *Rootfs) NeedsLocks() bool { return r.locked }

// Attach mounts everything on target, in order, in the mount namespace of the
// calling thread; a mount's own Target is resolved inside target. It works once:
// on an error, what it had attached is taken away again and the mounts are gone.
func (r *Rootfs) Attach(target string) error { return r.attach(target, false) }

// AttachInPlace is [Rootfs.Attach] for a thread that has its working directory
// to itself (unshare with CLONE_FS, or any thread in a namespace of its own),
// which it leaves at "/". It saves a mount call where the thread's namespace
// shows what the filesystem is made of.
func (r *Rootfs) AttachInPlace(target string) error { return r.attach(target, true) }

func (r *Rootfs) attach(target string, inPlace bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.parts) == 0 {
		return ErrSpent
	}
	parts := r.parts
	r.parts = nil
	for i := range parts {
		if err := parts[i].attach(target, inPlace); err != nil {
			r.discard(parts[i:])
			return errors.Join(err, takeAway(target, parts[:i]))
		}
		// Attached, so this is no unmount.
		parts[i].mount.Close()
	}
	return nil
}

func (p *part) attach(target string, inPlace bool) error {
	if err := fault.Point("rootfs.attach"); err != nil {
		return err
	}
	place, err := openTarget(target, p.target)
	if err != nil {
		return err
	}
	defer place.Close()
	if p.late != nil {
		if inPlace && p.late.mountOn(place) {
			return nil
		}
		if err := fault.Point("rootfs.late"); err != nil {
			return err
		}
		if p.mount, err = p.late.make(); err != nil {
			return err
		}
	}
	return p.mount.Attach(place, "")
}

// openTarget opens sub inside of what is mounted at target now.
func openTarget(target, sub string) (*os.File, error) {
	root, err := kernel.OpenTree(nil, target, 0)
	if err != nil {
		return nil, err
	}
	if sub == "" {
		return root.Disown(), nil
	}
	defer root.Close()
	place, err := root.Resolve(sub, unix.O_PATH)
	if err != nil {
		return nil, fmt.Errorf("cannot find mount target %q in root filesystem: %w", sub, err)
	}
	return place, nil
}

// takeAway unmounts what was attached, last first. Lookups go by the mount, not
// its path, so that a symlink in the image leads nowhere.
func takeAway(target string, parts []part) error {
	var errs []error
	for i := len(parts) - 1; i >= 0; i-- {
		place, err := openTarget(target, parts[i].target)
		if err == nil {
			err = kernel.Unmount(fmt.Sprintf("/proc/thread-self/fd/%d", place.Fd()), kernel.UnmountDetach)
			place.Close()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Close gives back what the root filesystem shares with others, and drops mounts
// that were not attached. The kernel's part of it is done off the caller's path.
// What was attached stays; taking it away is for whoever owns the namespace. A
// second call does nothing.
func (r *Rootfs) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discard(r.parts)
	r.parts = nil
	for _, share := range r.shares {
		share.Release()
	}
	for _, mapping := range r.mappings {
		mapping.Release()
	}
	r.shares, r.mappings = nil, nil
	return nil
}

// discard frees mounts that are attached nowhere.
func (r *Rootfs) discard(parts []part) {
	for _, part := range parts {
		r.preparer.freeLater(func() { part.mount.Close() })
	}
}

// freeLater runs f off the caller's path, or at once if the Preparer is closed.
func (p *Preparer) freeLater(f func()) {
	if !p.free(f) {
		f()
	}
}

// free runs f off the caller's path; false says that the Preparer is closed, and f
// will not be run.
func (p *Preparer) free(f func()) bool {
	if p.freeing == nil {
		p.config.Free(f)
		return true
	}
	return p.freeing.Free(f)
}
