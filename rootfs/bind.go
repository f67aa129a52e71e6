package rootfs

import (
	"fmt"
	"path"
	"strings"

	"tango/mounts/kernel"
)

// bind is a step that shows a directory or file as it is.
type bind struct {
	source    string
	recursive bool
	// ignored are options that mean nothing to a bind mount; mount(2) takes and
	// forgets them, and so does containerd.
	ignored []string
}

func parseBind(m Mount, opts options) (body, *OptionError) {
	if !path.IsAbs(m.Source) {
		return nil, &OptionError{Option: "source", Value: m.Source, Problem: "of a bind mount must be an absolute path"}
	}
	if opts.loop {
		return nil, &OptionError{Option: "loop", Problem: "a bind mount has no device: name the filesystem as the type"}
	}
	recursive := opts.recursive || m.Type == "rbind"
	return bind{source: tidyPath(m.Source), recursive: recursive, ignored: opts.rest}, nil
}

func (b bind) render() Mount {
	how := "bind"
	if b.recursive {
		how = "rbind"
	}
	return Mount{Type: "bind", Source: b.source, Options: append([]string{how}, b.ignored...)}
}

// tidyPath drops doubled and trailing slashes and single dots, but leaves paths
// with ".." as they are: what those mean depends on symlinks.
func tidyPath(p string) string {
	if hasDotDot(p) {
		return p
	}
	return path.Clean(p)
}

func hasDotDot(p string) bool {
	if !strings.Contains(p, "..") {
		return false
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// prepareBind copies the source's mount. The copy is private: what the container
// mounts in its root must not appear in the snapshot's directory on the host.
// Owners are mapped in all of a recursive copy. Other properties are the topmost
// mount's alone, as mount(8) has it for rbind.
func (p *Preparer) prepareBind(r *Rootfs, b bind, s step) (*kernel.Mount, error) {
	m, err := p.cloneBind(r, b, s)
	if err != nil {
		return nil, fmt.Errorf("cannot bind %q: %w", b.source, err)
	}
	return m, nil
}

func (p *Preparer) cloneBind(r *Rootfs, b bind, s step) (*kernel.Mount, error) {
	attrs := s.flags.attrs()
	if !b.recursive || attrs == 0 {
		return p.cloneTree(r, b.source, attrs, b.recursive, s.mapping)
	}
	m, err := p.cloneTree(r, b.source, 0, true, s.mapping)
	if err != nil {
		return nil, err
	}
	if err := m.SetAttr(attrs, 0, false); err != nil {
		p.freeLater(func() { m.Close() })
		return nil, err
	}
	return m, nil
}
