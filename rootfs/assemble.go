package rootfs

import (
	"fmt"
	"os"
	"strings"

	"tango/mounts/kernel"
)

// dirRef is a directory as a filesystem context is told of it: by descriptor
// or, if there is none, by path.
type dirRef struct {
	name string // for errors: the path as it was asked for
	file *os.File
	path string
}

// overlayDirs are an overlay's directories as the context can reach them.
type overlayDirs struct {
	lower, data []dirRef
	upper, work dirRef // zero in a read-only view
}

// assemble makes an overlay, detached, in the calling thread's namespace.
func assemble(o overlay, flags Flags, dirs overlayDirs) (*kernel.Mount, error) {
	c, err := openContext("overlay", o.source, flags)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for i, dir := range dirs.lower {
		if err := dir.set(c, "lowerdir+", false); err != nil {
			return nil, fmt.Errorf("cannot use layer %d %q: %w", i, dir.name, err)
		}
	}
	for i, dir := range dirs.data {
		if err := dir.set(c, "datadir+", false); err != nil {
			return nil, fmt.Errorf("cannot use data layer %d %q: %w", i, dir.name, err)
		}
	}
	if o.upper != "" {
		if err := dirs.upper.set(c, "upperdir", true); err != nil {
			return nil, fmt.Errorf("cannot use upperdir %q: %w", o.upper, err)
		}
		if err := dirs.work.set(c, "workdir", true); err != nil {
			return nil, fmt.Errorf("cannot use workdir %q: %w", o.work, err)
		}
	}
	if err := o.stillWanted(); err != nil {
		return nil, err
	}
	return finish(c, o.params, flags)
}

// stillWanted is an error if the caller has given up. Two overlays must not be made of
// one work directory: the kernel empties it for the second, and the first can't change
// its files any more.
func (o overlay) stillWanted() error {
	if o.abandoned == nil || o.upper == "" {
		return nil
	}
	return o.abandoned()
}

// set hands the directory over. Upper and work directories are unescaped by the
// kernel, layers given one by one are not (ovl_mount_dir, ovl_mount_dir_noesc in
// fs/overlayfs/params.c).
func (d dirRef) set(c *kernel.FSContext, key string, escaped bool) error {
	switch {
	case d.file != nil:
		return c.SetFile(key, d.file)
	case escaped:
		return c.SetString(key, strings.ReplaceAll(d.path, `\`, `\\`))
	default:
		return c.SetString(key, d.path)
	}
}

// openContext starts a filesystem with a source, which may be empty, and flags.
func openContext(fstype, source string, flags Flags) (_ *kernel.FSContext, retErr error) {
	c, err := kernel.OpenFS(fstype)
	if err != nil {
		return nil, err
	}
	defer func() {
		if retErr != nil {
			c.Close()
		}
	}()
	if source != "" {
		if err := c.SetString("source", source); err != nil {
			return nil, err
		}
	}
	for _, name := range flags.superblock() {
		if err := c.SetFlag(name); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// finish sets the remaining options and makes the mount.
func finish(c *kernel.FSContext, params []string, flags Flags) (*kernel.Mount, error) {
	for _, option := range params {
		key, value, hasValue := keyValue(option)
		var err error
		if hasValue {
			err = c.SetString(key, value)
		} else {
			err = c.SetFlag(key)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot set mount option %q: %w", option, err)
		}
	}
	return c.Mount(flags.attrs())
}
