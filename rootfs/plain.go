package rootfs

import (
	"fmt"
	"os"

	"tango/mounts/kernel"

	"golang.org/x/sys/unix"
)

// plainOverlay makes an overlay of the layers where they are.
func (p *Preparer) plainOverlay(o overlay, s step) (*kernel.Mount, error) {
	var files openFiles
	defer files.close()
	lower, err := files.refs(o.lower)
	if err != nil {
		return nil, err
	}
	data, err := files.refs(o.data)
	if err != nil {
		return nil, err
	}
	dirs := overlayDirs{lower: lower, data: data}
	if o.upper != "" {
		if dirs.upper, err = files.ref(o.upper); err != nil {
			return nil, err
		}
		if dirs.work, err = files.ref(o.work); err != nil {
			return nil, err
		}
	}
	return assemble(o, s.flags, dirs)
}

// openFiles are directories opened for the time of one assembly.
type openFiles []*os.File

// open opens a directory to hand it over. O_PATH would do only since Linux 6.15
// (kernel.OverlayLayerPathFD), layers by descriptor are older.
func (f *openFiles) open(p string) (*os.File, error) {
	dir, err := os.OpenFile(p, unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	*f = append(*f, dir)
	return dir, nil
}

// ref refers to a directory by path, or by descriptor where fsconfig would find
// the path too long.
func (f *openFiles) ref(p string) (dirRef, error) {
	if configLength(p) <= maxFSConfig {
		return dirRef{name: p, path: p}, nil
	}
	dir, err := f.open(p)
	return dirRef{name: p, file: dir}, err
}

func (f *openFiles) refs(paths []string) ([]dirRef, error) {
	refs := make([]dirRef, 0, len(paths))
	for _, p := range paths {
		ref, err := f.ref(p)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// upperAndWork opens an overlay's writable directories.
func (f *openFiles) upperAndWork(o overlay, dirs *overlayDirs) error {
	upper, err := f.open(o.upper)
	if err != nil {
		return fmt.Errorf("cannot use upperdir: %w", err)
	}
	work, err := f.open(o.work)
	if err != nil {
		return fmt.Errorf("cannot use workdir: %w", err)
	}
	dirs.upper = dirRef{name: o.upper, file: upper}
	dirs.work = dirRef{name: o.work, file: work}
	return nil
}

func (f *openFiles) close() {
	for _, dir := range *f {
		dir.Close()
	}
}
