package mountns

import (
	"path/filepath"
	"slices"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// fixed says which of the host's mounts every template has: the root, fully
// visible proc and sysfs, without which the kernel refuses new ones in a user
// namespace (mount_too_revealing in fs/namespace.c), the cgroup hierarchies,
// which a container's cgroup mount is made of, the device nodes, the filesystems
// by which libcontainer tells that AppArmor or SELinux is on, and the place for
// temporary files.
func fixed(m *mountinfo.Info) bool {
	switch m.Mountpoint {
	case "/", "/proc", "/sys", "/dev", "/tmp", "/sys/fs/cgroup", "/sys/kernel/security", "/sys/fs/selinux":
		return true
	}
	return m.FSType == "cgroup" || m.FSType == "cgroup2"
}

// mountPoints lists the mounts of a template, parents first: the fixed ones and
// the holders.
func mountPoints(holders []string) ([]string, error) {
	infos, err := mountinfo.GetMounts(templates(holders))
	return pointsOf(infos), err
}

// templates lets through what a template has.
func templates(holders []string) mountinfo.FilterFunc {
	return func(m *mountinfo.Info) (skip, stop bool) {
		return !fixed(m) && !slices.Contains(holders, m.Mountpoint), false
	}
}

// pointsOf gives each place once, however many mounts lie there on one another.
func pointsOf(infos []*mountinfo.Info) (points []string) {
	for _, m := range infos {
		points = append(points, m.Mountpoint)
	}
	slices.Sort(points) // a parent's path is a prefix of its child's
	return slices.Compact(points)
}

// holders lists the mount points on the way to each path, without "/". Symbolic
// links on the way are followed first: /var/run is seldom where it seems to be.
func holders(paths []string) ([]string, error) {
	var points []string
	for _, path := range paths {
		path, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil, err
		}
		for dir := path; dir != "/"; dir = filepath.Dir(dir) {
			root, err := IsMountPoint(dir)
			if err != nil {
				return nil, err
			}
			if root && !slices.Contains(points, dir) {
				points = append(points, dir)
			}
		}
	}
	slices.Sort(points)
	return points, nil
}

// IsMountPoint asks the kernel about one path (STATX_ATTR_MOUNT_ROOT, Linux
// 5.8), which, unlike reading mountinfo, takes no lock that mounting needs.
func IsMountPoint(path string) (bool, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, 0, &st)
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, err
}
