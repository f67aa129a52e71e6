package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"tango/mounts/userns"
)

// bed is the directory tree that roots are made of:
//
//	layers/0 ... layers/49   lower layers, side by side as snapshotters have them
//	slots/0/{upper,work}     a root's own directories
//	slots/0/root             where it is attached
//	slots/0/l/...            where layers are attached meanwhile
type bed struct {
	dir    string
	layers int
	users  *os.File // user namespace with the mapping of all roots
	slots  []*slot
	free   chan *slot // those that hold no root
}

// slot is the place of one root.
type slot struct {
	dir string
}

func (s *slot) root() string  { return s.dir + "/root" }
func (s *slot) upper() string { return s.dir + "/upper" }
func (s *slot) work() string  { return s.dir + "/work" }

// layer is where one of its layers is attached, or the directory of all layers.
func (s *slot) layer(name string) string { return s.dir + "/l/" + name }

// parent is the directory of all layers.
func (b *bed) parent() string { return b.dir + "/layers" }

// The mapping of the roots: root's files in the layers are somebody else's.
const (
	mappedTo   = 1 << 20
	mappedSize = 1 << 16
)

// newBed makes a bed with layers and slots below dir.
func newBed(dir string, layers, slots int) (_ *bed, retErr error) {
	at, err := os.MkdirTemp(dir, "mb")
	if err != nil {
		return nil, err
	}
	b := &bed{dir: at, layers: layers, free: make(chan *slot, slots)}
	defer func() {
		if retErr != nil {
			retErr = errors.Join(retErr, b.close())
		}
	}()
	mapping := []userns.IDMap{{ContainerID: 0, HostID: mappedTo, Size: mappedSize}}
	if b.users, err = userns.Open(mapping, mapping); err != nil {
		return nil, err
	}
	if err := b.makeLayers(); err != nil {
		return nil, err
	}
	for i := range slots {
		s := &slot{dir: filepath.Join(b.dir, "slots", strconv.Itoa(i))}
		b.slots = append(b.slots, s)
		if err := s.make(); err != nil {
			return nil, err
		}
		b.free <- s
	}
	return b, nil
}

// makeLayers gives every layer a file of its own and one that all have.
func (b *bed) makeLayers() error {
	for i := range b.layers {
		dir := filepath.Join(b.parent(), strconv.Itoa(i))
		if err := os.MkdirAll(filepath.Join(dir, "etc"), 0o755); err != nil {
			return err
		}
		for _, name := range []string{"etc/layer", "etc/layer" + strconv.Itoa(i)} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(strconv.Itoa(i)), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *slot) make() error {
	for _, dir := range []string{s.root(), s.upper(), s.work(), s.dir + "/l"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// close takes the tree away. It fails, and leaves the tree alone, if anything is
// still mounted in it.
func (b *bed) close() error {
	var errs []error
	if b.users != nil {
		errs = append(errs, b.users.Close())
	}
	for _, s := range b.slots {
		errs = append(errs, s.unmounted())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return os.RemoveAll(b.dir)
}

// unmounted removes what has been a mount point with rmdir, which fails where
// something is mounted or where there are files.
func (s *slot) unmounted() error {
	left, err := os.ReadDir(s.dir + "/l")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	points := []string{s.root()}
	for _, e := range left {
		points = append(points, s.layer(e.Name()))
	}
	for _, point := range points {
		if err := unix.Rmdir(point); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("cannot take away %s: %w", point, err)
		}
	}
	return nil
}
