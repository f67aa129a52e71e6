package kernel

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"tango/mounts/userns"
)

// probeMap is a mapping that no file of a scratch filesystem is owned by.
var probeMap = []userns.IDMap{{ContainerID: 0, HostID: 1 << 20, Size: 1}}

// probeTmpfsIDMap id-maps a tmpfs that is attached nowhere. EINVAL says that the
// filesystem has no FS_ALLOW_IDMAP.
func probeTmpfsIDMap() error {
	if err := IDMappedMounts.Probe(); err != nil {
		return err
	}
	m, err := scratch()
	if err != nil {
		return err
	}
	defer m.Close()
	return verdict(mapOwners(m), nil, []error{unix.EINVAL})
}

// probeOverlayIDMappedLayers makes an overlay on an id-mapped mount that is
// attached in a namespace of its own, since layers on detached mounts came
// later. EINVAL comes from ovl_mount_dir_noesc (fs/overlayfs/super.c before
// Linux 5.19).
func probeOverlayIDMappedLayers() error {
	if err := IDMappedMounts.Probe(); err != nil {
		return err
	}
	dir, remove, err := scratchOnDisk()
	if err != nil {
		return err
	}
	defer remove()
	return InNewThread(func() error {
		m, err := mappedScratch(dir)
		if err != nil {
			return err
		}
		defer m.Close()
		return overlayInPrivate(m, dir)
	})
}

// scratchOnDisk makes a directory with the scratch directories in it.
func scratchOnDisk() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "tango-probe-")
	if err != nil {
		return "", nil, err
	}
	// Not recursively: this will be a mount point, if in another namespace.
	remove = func() {
		for _, name := range scratchDirs {
			unix.Rmdir(dir + "/" + name)
		}
		unix.Rmdir(dir)
	}
	for _, name := range scratchDirs {
		if err := os.Mkdir(dir+"/"+name, 0o755); err != nil {
			remove()
			return "", nil, err
		}
	}
	return dir, remove, nil
}

// overlayInPrivate attaches m at dir in a copy of the calling thread's mount
// namespace and lays an overlay over its two directories.
func overlayInPrivate(m *Mount, dir string) error {
	if err := UnshareNamespace(); err != nil {
		return err
	}
	if err := SetPropagation("/", Private, true); err != nil {
		return err
	}
	if err := m.Attach(nil, dir); err != nil {
		return err
	}
	c, err := OpenFS("overlay")
	if err != nil {
		return verdict(err, nil, without())
	}
	defer c.Close()
	layers := dir + "/" + scratchDirs[0] + ":" + dir + "/" + scratchDirs[1]
	if err := c.SetString("lowerdir", layers); err != nil {
		return verdict(err, nil, []error{unix.EINVAL})
	}
	return verdict(c.create(), nil, []error{unix.EINVAL})
}

// errNothingToMap is why a probe that needs an id-mapped mount says nothing.
var errNothingToMap = errors.New("neither tmpfs nor the temporary directory can be id-mapped")

// mappedScratch makes a detached id-mapped mount with the scratch directories:
// a tmpfs, or, where tmpfs cannot be mapped, the filesystem of dir. If neither
// can, nothing is known.
func mappedScratch(dir string) (*Mount, error) {
	m, err := scratch()
	if err != nil {
		return nil, err
	}
	err = mapOwners(m)
	if err == nil {
		return m, nil
	}
	m.Close()
	if !errors.Is(err, unix.EINVAL) {
		return nil, err
	}
	return mappedClone(dir)
}

func mappedClone(dir string) (*Mount, error) {
	m, err := OpenTree(nil, dir, TreeClone)
	if err != nil {
		return nil, err
	}
	err = mapOwners(m)
	if err == nil {
		return m, nil
	}
	m.Close()
	if errors.Is(err, unix.EINVAL) {
		return nil, fmt.Errorf("%w: %w", errNothingToMap, err)
	}
	return nil, err
}

func mapOwners(m *Mount) error {
	ns, err := userns.Open(probeMap, probeMap)
	if err != nil {
		return err
	}
	defer ns.Close()
	return m.IDMap(ns, 0)
}
