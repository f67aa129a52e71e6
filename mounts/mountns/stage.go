package mountns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

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

// Staging is what a namespace must get on top of the template, so that it shows
// certain sources just as the host does. It owns detached mounts.
type Staging struct{ pieces pieces }

// Stage looks the sources up on the host, now, and takes what the template
// doesn't show. It returns the sources' paths with symbolic links resolved. A
// source that isn't there is left out: mounting it will fail with its own error.
func (t *Template) Stage(sources []Source) (_ *Staging, resolved []string, retErr error) {
	s := &Staging{}
	defer func() {
		if retErr != nil {
			s.Close()
		}
	}()
	for _, src := range sources {
		path, err := t.stage(s, src)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot stage %s: %w", src.Path, err)
		}
		resolved = append(resolved, path)
	}
	s.pieces.sort()
	return s, resolved, nil
}

func (t *Template) stage(s *Staging, src Source) (string, error) {
	f, err := os.OpenFile(src.Path, unix.O_PATH, 0)
	if err != nil {
		return src.Path, nil
	}
	defer f.Close()
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return "", err
	}
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(st, there) {
		return src.Path, nil // deleted, in another namespace, or a link that only proc can follow
	}
	shown, err := t.shows(path)
	if err != nil || shown && src.Private && !(src.Recursive && st.IsDir()) {
		return path, err
	}
	if !shown {
		if err := t.stageWay(s, path); err != nil {
			return "", err
		}
	}
	flags := kernel.TreeClone | kernel.TreeEmptyPath
	if src.Recursive {
		flags |= kernel.TreeRecursive
	}
	tree, err := kernel.OpenTree(f, "", flags)
	if err == nil {
		s.pieces = append(s.pieces, piece{tree: tree, at: path, deep: src.Recursive})
	}
	return path, err
}

// stageWay takes the mounts that lie on the way to path and that the template
// doesn't have, from the top down, without what else is mounted below them.
func (t *Template) stageWay(s *Staging, path string) error {
	for _, dir := range parents(path) {
		if root, err := IsMountPoint(dir); err != nil || !root || s.has(dir) {
			if err != nil {
				return err
			}
			continue
		}
		if shown, err := t.shows(dir); err != nil || shown {
			if err != nil {
				return err
			}
			continue
		}
		tree, err := kernel.OpenTree(nil, dir, kernel.TreeClone)
		if err != nil {
			return err
		}
		s.pieces = append(s.pieces, piece{tree: tree, at: dir})
	}
	return nil
}

// parents lists the directories above path, the topmost first, without "/".
func parents(path string) []string {
	var dirs []string
	for i, c := range strings.TrimPrefix(path, "/") {
		if c == '/' {
			dirs = append(dirs, path[:i+1])
		}
	}
	return dirs
}

// has tells whether a single mount is there for others to be put on.
func (s *Staging) has(at string) bool {
	for _, p := range s.pieces {
		if p.at == at && !p.deep {
			return true
		}
	}
	return false
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

// Attach puts the staged mounts to their places in the calling thread's
// namespace, which must be forked from the template.
func (s *Staging) Attach() error { return s.pieces.attach() }

// Close gives the staging's descriptors up; what was attached stays attached.
func (s *Staging) Close() { s.pieces.close() }
