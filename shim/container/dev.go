package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	devices "github.com/opencontainers/cgroups/devices/config"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"golang.org/x/sys/unix"

	"tango/mounts/kernel"
)

// prepareDev makes the container's /dev, a tmpfs with its device nodes, in the
// calling thread's mount namespace, and has config leave that alone.
//
// In a user namespace nobody may make device nodes, so libcontainer mounts each
// of them from the host: six mounts to make, copy and take away for every
// container. Here the tmpfs is made before there is a user namespace, where
// mknod works. The nodes belong to the host's root, as the host's own do, so
// that nothing can be done to them that libcontainer would not allow. Anything
// but the ordinary nodes on an ordinary tmpfs stays libcontainer's to make.
func prepareDev(config *configs.Config) error {
	m := ordinaryDev(config)
	if m == nil {
		return nil
	}
	dir, err := openDev(config.Rootfs)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil // the image has no plain directory there: libcontainer makes one
	}
	if err != nil {
		return fmt.Errorf("cannot open /dev of the root filesystem: %w", err)
	}
	defer dir.Close()
	data, err := devData(config, m)
	if err != nil {
		return err
	}
	if err := kernel.MountOn(dir, "tmpfs", m.Source, uintptr(m.Flags), data); err != nil {
		return err
	}
	if err := makeNodes(config); err != nil {
		return err
	}
	config.Mounts = slices.DeleteFunc(config.Mounts, func(other *configs.Mount) bool { return other == m })
	config.Devices = nil
	return nil
}

// ordinaryDev returns the mount of /dev if it and all device nodes are ordinary.
func ordinaryDev(config *configs.Config) *configs.Mount {
	if !config.Namespaces.Contains(configs.NEWUSER) || config.MountLabel != "" || !ordinaryNodes(config.Devices) {
		return nil
	}
	for _, m := range config.Mounts {
		dest := filepath.Clean(m.Destination)
		if dest == "/dev" && m.Device == "tmpfs" && m.Extensions == 0 && m.Flags&unix.MS_RDONLY == 0 && len(m.PropagationFlags) == 0 {
			return m
		}
		if dest == "/" || dest == "/dev" || strings.HasPrefix(dest, "/dev/") {
			return nil
		}
	}
	return nil
}

// ordinaryNodes tells whether all nodes are among those that every container gets
// and anybody may open: by number and mode too, since a spec can give any name to
// any device, of which libcontainer would show what the host has by that name.
func ordinaryNodes(nodes []*devices.Device) bool {
	return !slices.ContainsFunc(nodes, func(d *devices.Device) bool {
		return !slices.ContainsFunc(specconv.AllowedDevices, func(usual *devices.Device) bool {
			return d.Path != "" && d.Path == usual.Path && d.FileMode == usual.FileMode &&
				d.Type == usual.Type && d.Major == usual.Major && d.Minor == usual.Minor
		})
	})
}

// openDev opens what is at /dev, without going through a symbolic link that an
// image may have put there.
func openDev(root string) (*os.File, error) {
	m, err := kernel.OpenTree(nil, root, 0)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return m.Resolve("dev", unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
}

// devData are the mount's options, with the container's root as owner.
func devData(config *configs.Config, m *configs.Mount) (string, error) {
	uid, err := config.HostRootUID()
	if err != nil {
		return "", err
	}
	gid, err := config.HostRootGID()
	if err != nil {
		return "", err
	}
	owner := fmt.Sprintf("uid=%d,gid=%d", uid, gid)
	if m.Data == "" {
		return owner, nil
	}
	return m.Data + "," + owner, nil
}

func makeNodes(config *configs.Config) error {
	dir, err := openDev(config.Rootfs)
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, d := range config.Devices {
		if err := makeNode(dir, d); err != nil {
			return fmt.Errorf("cannot make device node %s: %w", d.Path, err)
		}
	}
	return nil
}

func makeNode(dir *os.File, d *devices.Device) error {
	number, err := d.Mkdev()
	if err != nil {
		return err
	}
	name, mode := filepath.Base(d.Path), uint32(d.FileMode.Perm())
	err = unix.Mknodat(int(dir.Fd()), name, unix.S_IFCHR|mode, int(number))
	if err != nil && !errors.Is(err, unix.EEXIST) { // a spec may list a node twice
		return err
	}
	return unix.Fchmodat(int(dir.Fd()), name, mode, 0) // past the umask
}
