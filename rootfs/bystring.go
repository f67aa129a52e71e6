package rootfs

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"tango/mounts/kernel"

	"golang.org/x/sys/unix"
)

// assembleByString makes an overlay by one call of mount(2), since fsconfig
// would take no more than 255 bytes of lowerdir. Layers go by the short names of
// symlinks, so that 500 of them fit into the page whatever their paths are. The
// mount is attached in the stage for as long as it takes to copy it. Only on the
// stage's thread.
func (s *stage) assembleByString(o overlay, flags Flags, dirs overlayDirs) (_ *kernel.Mount, retErr error) {
	links, err := s.mkdir()
	if err != nil {
		return nil, err
	}
	defer func() { retErr = errors.Join(retErr, os.RemoveAll(links)) }()
	target, err := s.mkdir()
	if err != nil {
		return nil, err
	}
	data, err := optionString(o, dirs, links)
	if err != nil {
		unix.Rmdir(target)
		return nil, err
	}
	dir, err := os.Open(target)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	// Names in the string are relative to links.
	if err := unix.Chdir(links); err != nil {
		return nil, fmt.Errorf("cannot enter %q: %w", links, err)
	}
	if err = o.stillWanted(); err == nil {
		err = kernel.MountOn(dir, "overlay", o.source, flags.legacy(), data)
	}
	if err := unix.Chdir(".."); err != nil {
		return nil, fmt.Errorf("cannot leave %q: %w", links, err)
	}
	if err != nil {
		unix.Rmdir(target)
		// Unlike fsconfig, mount(2) does not tell which option it was.
		return nil, fmt.Errorf("cannot mount overlay with options %q: %w", o.params, err)
	}
	defer s.detach(target)
	return kernel.OpenTree(nil, target, kernel.TreeClone)
}

// optionString makes the option string of an overlay, with symlinks for its
// directories in links.
func optionString(o overlay, dirs overlayDirs, links string) (string, error) {
	l := linker{dir: links}
	var b strings.Builder
	b.WriteString("lowerdir=")
	for i, dir := range dirs.lower {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(l.link(dir))
	}
	for _, dir := range dirs.data {
		b.WriteString("::")
		b.WriteString(l.link(dir))
	}
	if o.upper != "" {
		b.WriteString(",upperdir=" + l.link(dirs.upper) + ",workdir=" + l.link(dirs.work))
	}
	for _, option := range o.params {
		b.WriteByte(',')
		b.WriteString(option)
	}
	if b.Len() >= maxData {
		return "", fmt.Errorf("cannot mount overlay by option string: it has %d bytes, and mount(2) takes %d", b.Len(), maxData-1)
	}
	return b.String(), l.err
}

// linker makes symlinks with the shortest names there are.
type linker struct {
	dir   string
	count int
	err   error // of the first link that failed
}

func (l *linker) link(dir dirRef) string {
	name := strconv.FormatInt(int64(l.count), 36)
	l.count++
	if err := os.Symlink("../"+dir.path, l.dir+"/"+name); err != nil && l.err == nil {
		l.err = err
	}
	return name
}
