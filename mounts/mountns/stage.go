package mountns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"tango/mounts/fault"
	"tango/mounts/kernel"
)

// Source is a path of the host that a container mounts from.
type Source struct {
	// Path may be a symbolic link; it is resolved on the host.
	Path string
	// Recursive takes along what is mounted below.
	Recursive bool
	// Private says that mount events on either side don't concern the other.
	Private bool
}

// Staging is what a namespace must get on top of the template, so that it has
// certain sources just as the host does. It owns detached mounts.
//
// They are peers of the host's mounts and so can't be attached where the host has
// them: what was then attached below one, another source or the container's root,
// would show on the host. Each gets a place of its own in a directory that is on
// a private mount of the template.
type Staging struct {
	dir    string // "" until something needs a place
	pieces pieces
}

// Stage looks the sources up on the host, now, and takes what the template
// doesn't show. It returns where each is found in a namespace that the staging is
// attached in. The places are made in a new directory of bundle, which must show
// in the template; they stay, empty, when the staging is closed.
//
// A source that can't be opened or copied is left out and keeps its path:
// mounting it will fail with its own error.
func (t *Template) Stage(bundle string, sources []Source) (_ *Staging, found []string, retErr error) {
	s := &Staging{}
	defer func() {
		if retErr != nil {
			s.Close()
		}
	}()
	for _, src := range sources {
		path, err := t.stage(s, bundle, src)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot stage %s: %w", src.Path, err)
		}
		found = append(found, path)
	}
	return s, found, nil
}

func (t *Template) stage(s *Staging, bundle string, src Source) (string, error) {
	f, err := os.OpenFile(src.Path, unix.O_PATH, 0)
	if err != nil {
		return src.Path, nil
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	if src.Private && !(src.Recursive && st.IsDir()) {
		if shown, err := t.shows(src.Path); err != nil || shown {
			return src.Path, err
		}
	}
	flags := kernel.TreeClone | kernel.TreeEmptyPath
	if src.Recursive {
		flags |= kernel.TreeRecursive
	}
	if err := fault.Point("stage.clone"); err != nil {
		return "", err
	}
	tree, err := kernel.OpenTree(f, "", flags)
	if errors.Is(err, unix.EINVAL) {
		return src.Path, nil // unbindable, or not in this namespace
	}
	if err != nil {
		return "", err
	}
	return s.add(bundle, tree, st.IsDir())
}

// add makes a place for tree, which it takes over.
func (s *Staging) add(bundle string, tree *kernel.Mount, isDir bool) (string, error) {
	at, err := s.makePlace(bundle, isDir)
	if err != nil {
		return "", errors.Join(err, tree.Close())
	}
	s.pieces = append(s.pieces, piece{tree, at})
	return at, nil
}

func (s *Staging) makePlace(bundle string, isDir bool) (at string, err error) {
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp(bundle, "sources-"); err != nil {
			return "", err
		}
		// The root of a user namespace looks in here, from outside just that.
		if err := os.Chmod(s.dir, 0o711); err != nil {
			return "", err
		}
	}
	if err := fault.Point("stage.place"); err != nil {
		return "", err
	}
	at = filepath.Join(s.dir, strconv.Itoa(len(s.pieces)))
	if isDir {
		return at, os.Mkdir(at, 0o700)
	}
	return at, os.WriteFile(at, nil, 0o600)
}

// shows tells whether a path of the host leads to the same file in the template.
func (t *Template) shows(path string) (bool, error) {
	var host, lean unix.Stat_t
	if err := unix.Stat(path, &host); err != nil {
		return false, err
	}
	fd, err := unix.Openat2(int(t.root.Fd()), filepath.Clean(path), &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT,
	})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &lean); err != nil {
		return false, err
	}
	return host.Dev == lean.Dev && host.Ino == lean.Ino, nil
}

// Empty tells that nothing had to be staged.
func (s *Staging) Empty() bool { return len(s.pieces) == 0 }

// Attach puts the staged mounts to their places in the calling thread's
// namespace, which must be forked from the template.
func (s *Staging) Attach() error { return s.pieces.attach() }

// Close gives the staging's descriptors up; what was attached stays attached.
func (s *Staging) Close() { s.pieces.close() }
