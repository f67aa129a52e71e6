package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tango/test/harness"
)

// tag is one optional field of mountinfo without its number: "shared", "master",
// "propagate_from", "unbindable".
func tag(field string) string {
	name, _, _ := strings.Cut(field, ":")
	return name
}

// describeMount says of a line of mountinfo what is the same in every container
// of the same spec: target, options, propagation, type, and the file system's
// options but for directories.
func describeMount(line string) string {
	fields := strings.Fields(line)
	var tags []string
	rest := fields[6:]
	for ; rest[0] != "-"; rest = rest[1:] {
		tags = append(tags, tag(rest[0]))
	}
	var super []string
	for _, o := range strings.Split(rest[3], ",") {
		if !strings.Contains(o, "dir=") && !strings.Contains(o, "dir+=") {
			super = append(super, o)
		}
	}
	slices.Sort(super)
	return fmt.Sprintf("%s (%s) [%s] %s {%s}", fields[4], fields[5], strings.Join(tags, " "), rest[1], strings.Join(super, ","))
}

// mountsOf lists a container's mounts as describeMount puts them. Those of cgroup
// v1 hierarchies are made in the order of the maker's mountinfo, which says nothing,
// and of mounts that are shared or not, below which nobody mounts.
func mountsOf(h *harness.Harness, c *harness.Container) []string {
	var all []string
	for line := range strings.Lines(h.Output(c, "cat", "/proc/self/mountinfo")) {
		all = append(all, describeMount(strings.TrimSpace(line)))
	}
	hierarchy := func(m string) bool { return strings.HasPrefix(m, "/sys/fs/cgroup/") }
	if first := slices.IndexFunc(all, hierarchy); first >= 0 {
		last := first
		for last < len(all) && hierarchy(all[last]) {
			all[last] = notASlave.Replace(all[last])
			last++
		}
		slices.Sort(all[first:last])
	}
	return all
}

// mountOf returns what a container has mounted at a place, last.
func mountOf(t *testing.T, h *harness.Harness, c *harness.Container, target string) string {
	t.Helper()
	for _, m := range slices.Backward(mountsOf(h, c)) {
		if strings.HasPrefix(m, target+" ") {
			return m
		}
	}
	t.Fatalf("nothing is mounted on %s", target)
	return ""
}

// TestMountsLikeRunc wants the same mounts, in the same order, with the same
// options and propagation as runc makes them.
func TestMountsLikeRunc(t *testing.T) {
	h := newNode(t)
	volume := sharedDir(t, h, "volume")
	options := [][]string{
		nil, {"ro"}, {"rro"}, {"nosuid", "nodev", "noexec"}, {"rnosuid", "rnodev", "rnoexec"}, {"noatime"}, {"strictatime"},
		{"rnoatime"}, {"nodiratime"}, {"nosymfollow"}, {"rw", "exec", "suid", "dev", "relatime"}, {"rshared"}, {"rslave", "ro"},
	}
	var mounts []specs.Mount
	for i, o := range options {
		mounts = append(mounts, bind(volume, fmt.Sprintf("/volume/%d", i), o...))
	}
	more := withMounts(append(mounts, specs.Mount{Type: "tmpfs", Source: "tmpfs", Destination: "/scratch", Options: []string{"size=64k", "noexec", "mode=700"}},
		specs.Mount{Type: "cgroup", Source: "cgroup", Destination: "/sys/fs/cgroup", Options: []string{"ro", "nosuid", "noexec", "nodev"}})...)
	for name, opts := range map[string][]oci.SpecOpts{
		"default": nil, "many": more,
		"read-only": append([]oci.SpecOpts{oci.WithRootFSReadonly()}, more...),
		"no tty":    {oci.WithDevShmSize(1024)},
		"privileged": {oci.WithPrivileged, oci.WithAllDevicesAllowed, oci.WithHostDevices, oci.WithWriteableCgroupfs, oci.WithWriteableSysfs,
			harness.Edit(func(s *oci.Spec) { s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil })},
	} {
		t.Run(name, func(t *testing.T) {
			h := h.In(t)
			stock, tango := both(t, func(runtime string) string {
				c := h.Run(harness.Spec{ID: "same", Runtime: runtime, OCI: opts})
				defer h.Delete(c)
				return strings.Join(mountsOf(h, c), "\n")
			})
			if stock != tango {
				t.Errorf("tango has\n%s\nrunc has\n%s", tango, stock)
			}
		})
	}
}

// TestPropagationModes binds a shared directory in each mode there is.
func TestPropagationModes(t *testing.T) {
	h := newNode(t)
	volume := sharedDir(t, h, "volume")
	mountOn(t, "tmpfs", mkdir(t, filepath.Join(volume, "deeper")), "tmpfs", 0)
	modes := []string{"private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"}
	var mounts []specs.Mount
	for _, mode := range modes {
		mounts = append(mounts, bind(volume, "/"+mode, mode))
	}
	like := func(runtime string) string {
		c := h.Run(harness.Spec{Runtime: runtime, OCI: withMounts(mounts...)})
		defer h.Delete(c)
		var all []string
		for _, mode := range modes {
			for _, target := range []string{"/" + mode, "/" + mode + "/deeper"} {
				all = append(all, mountOf(t, h, c, target))
			}
		}
		return strings.Join(all, "\n")
	}
	stock, tango := both(t, like)
	if stock != tango {
		t.Errorf("tango has\n%s\nrunc has\n%s", tango, stock)
	}
}

// notASlave takes out that a mount is the slave of the host's. runc's root is,
// where the host's mounts are shared, since it has been mounted there before;
// tango's never was on the host.
var notASlave = strings.NewReplacer("[master]", "[]", " master]", "]")

// TestRootPropagation gives the root each propagation that the spec can ask for.
func TestRootPropagation(t *testing.T) {
	h := newNode(t)
	volume := sharedDir(t, h, "volume")
	for _, mode := range []string{"", "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable"} {
		t.Run("mode "+mode, func(t *testing.T) {
			h := h.In(t)
			stock, tango := both(t, func(runtime string) string {
				c := h.Run(harness.Spec{Runtime: runtime, OCI: append(withMounts(bind(volume, "/volume")),
					harness.Edit(func(s *oci.Spec) { s.Linux.RootfsPropagation = mode }))})
				defer h.Delete(c)
				return notASlave.Replace(mountOf(t, h, c, "/")) + "\n" + mountOf(t, h, c, "/volume")
			})
			if stock != tango {
				t.Errorf("tango has\n%s\nrunc has\n%s", tango, stock)
			}
		})
	}
}

// idMapped is a bind mount whose files belong to other users inside.
func idMapped(source, target string, hostID uint32, options ...string) specs.Mount {
	m := bind(source, target, options...)
	m.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: hostID, Size: 65536}}
	m.GIDMappings = m.UIDMappings
	return m
}

// TestIDMappedVolume wants the files of a volume to keep their owners in a
// container whose users are others on the host, in both directions.
func TestIDMappedVolume(t *testing.T) {
	h := newNode(t)
	volume := hostDir(t, h, "volume")
	write(t, filepath.Join(volume, "file"), "of user 1000")
	if err := os.Chown(filepath.Join(volume, "file"), 1000, 2000); err != nil {
		t.Fatal(err)
	}
	mapping := harness.NthUserNS(12)
	c := h.Run(harness.Spec{UserNS: mapping, OCI: withMounts(
		idMapped(volume, "/mapped", mapping.HostID, "idmap"), bind(volume, "/plain"))})
	expectOutput(t, h, c, "1000 2000", "stat", "-c", "%u %g", "/mapped/file")
	expectOutput(t, h, c, "65534 65534", "stat", "-c", "%u %g", "/plain/file")
	h.Output(c, "sh", "-c", "echo new > /mapped/new && chown 33:44 /mapped/new")
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(volume, "new"), &st); err != nil || st.Uid != 33 || st.Gid != 44 {
		t.Errorf("on the host the new file belongs to %d:%d, %v; want 33:44", st.Uid, st.Gid, err)
	}
}

// TestIDMappedVolumeAlone maps the owners of one volume of a container that has
// no user namespace.
func TestIDMappedVolumeAlone(t *testing.T) {
	h := newNode(t)
	volume := hostDir(t, h, "volume")
	deeper := mkdir(t, filepath.Join(volume, "deeper"))
	mountOn(t, hostDir(t, h, "other"), deeper, "", unix.MS_BIND)
	for _, name := range []string{"file", "deeper/file"} {
		write(t, filepath.Join(volume, name), "")
		if err := os.Chown(filepath.Join(volume, name), 7, 8); err != nil {
			t.Fatal(err)
		}
	}
	c := h.Run(harness.Spec{OCI: withMounts(idMapped(volume, "/once", 5000, "idmap"), idMapped(volume, "/deep", 5000, "ridmap"))})
	expectOutput(t, h, c, "5007 5008\n7 8", "stat", "-c", "%u %g", "/once/file", "/once/deeper/file")
	expectOutput(t, h, c, "5007 5008\n5007 5008", "stat", "-c", "%u %g", "/deep/file", "/deep/deeper/file")
	h.Delete(c)
}

// TestIDMappedVolumeRefused wants runc's words for a mapping that cannot be.
func TestIDMappedVolumeRefused(t *testing.T) {
	h := newNode(t)
	volume := hostDir(t, h, "volume")
	half := idMapped(volume, "/mnt", 5000, "idmap")
	half.GIDMappings = nil
	sameRefusal(t, h, harness.Spec{OCI: withMounts(half)}, "mappings")
	sameRefusal(t, h, harness.Spec{OCI: withMounts(bind(volume, "/mnt", "idmap"))}, "mappings")
	sameRefusal(t, h, harness.Spec{OCI: withMounts(idMapped("/proc", "/mnt", 5000, "idmap"))}, "MOUNT_ATTR_IDMAP")
	h.CheckLeaks()
}
