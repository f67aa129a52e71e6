package rootfs

import (
	"strings"

	"tango/mounts/kernel"
)

// filesystem is a step that mounts any filesystem by its type.
type filesystem struct {
	fstype string
	source string
	params []string
	loop   bool
	direct bool // the loop device bypasses the page cache of its file
}

func parseFilesystem(m Mount, opts options) (body, *OptionError) {
	fs := filesystem{fstype: m.Type, source: m.Source, loop: opts.loop}
	switch {
	case m.Type == "":
		return nil, &OptionError{Option: "type", Problem: "is empty: name a filesystem, or give the option bind"}
	case strings.HasPrefix(m.Type, "fuse.") || strings.HasPrefix(m.Type, "fuse3."):
		return nil, &OptionError{Option: "type", Value: m.Type, Problem: "needs a mount helper process: have the snapshotter mount it and hand over a bind of it"}
	case strings.Contains(m.Type, "/"):
		return nil, &OptionError{Option: "type", Value: m.Type, Problem: "is for containerd's mount manager: activate the mounts before handing them over"}
	}
	for _, option := range opts.rest {
		// containerd passes direct-io on where there is no loop device.
		if opts.loop && option == "direct-io" {
			fs.direct = true
			continue
		}
		fs.params = append(fs.params, option)
	}
	return fs, checkParams(fs.params)
}

// maxFSConfig is the longest value that fsconfig takes, in bytes: the kernel
// copies 256 with the NUL (fs/fsopen.c).
const maxFSConfig = 255

func checkParams(params []string) *OptionError {
	for _, option := range params {
		key, value, _ := keyValue(option)
		switch {
		case key == "":
			return &OptionError{Option: "option", Value: option, Problem: "has no name before its '='"}
		case len(key) > maxFSConfig || len(value) > maxFSConfig:
			return &OptionError{Option: key, Value: value, Problem: "is longer than the 255 bytes that fsconfig takes: shorten it"}
		}
	}
	return nil
}

func (f filesystem) render() Mount {
	var opts []string
	if f.loop {
		opts = append(opts, "loop")
	}
	if f.direct {
		opts = append(opts, "direct-io")
	}
	return Mount{Type: f.fstype, Source: f.source, Options: append(opts, f.params...)}
}

// prepareFilesystem makes a filesystem of any type the kernel has.
func (p *Preparer) prepareFilesystem(r *Rootfs, f filesystem, s step) (*kernel.Mount, error) {
	source := f.source
	if f.loop {
		device, err := attachLoop(f.source, s.flags&FlagReadOnly != 0, f.direct)
		if err != nil {
			return nil, err
		}
		// The mount keeps the device, which clears itself after its last user.
		defer device.Close()
		source = device.Name()
	}
	c, err := openContext(f.fstype, source, s.flags)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	m, err := finish(c, f.params, s.flags)
	if err != nil || s.mapping.empty() {
		return m, err
	}
	change := kernel.Change{Propagation: kernel.Private}
	if err := p.withOwners(r, &change, s.mapping, func() error { return m.Change(change) }); err != nil {
		p.freeLater(func() { m.Close() })
		return nil, err
	}
	return m, nil
}
