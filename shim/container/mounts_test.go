package container

import (
	"os"
	"slices"
	"testing"

	devices "github.com/opencontainers/cgroups/devices/config"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"golang.org/x/sys/unix"
)

func TestJoinMountNamespace(t *testing.T) {
	const path = "/proc/1/fd/7"
	mount, network := configs.Namespace{Type: configs.NEWNS}, configs.Namespace{Type: configs.NEWNET, Path: "/run/netns/x"}
	user := configs.Namespace{Type: configs.NEWUSER}
	prepared := configs.Namespace{Type: configs.NEWNS, Path: path}
	tests := []struct {
		name       string
		have, want configs.Namespaces
	}{
		{"plain", configs.Namespaces{mount, network}, configs.Namespaces{prepared, network}},
		{"with a user namespace", configs.Namespaces{user, mount, network}, configs.Namespaces{user, prepared, network, mount}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := &configs.Config{Namespaces: tt.have}
			joinMountNamespace(config, path)
			if !slices.Equal(config.Namespaces, tt.want) {
				t.Errorf("got %v, want %v", config.Namespaces, tt.want)
			}
			if got := config.Namespaces.PathOf(configs.NEWNS); got != path {
				t.Errorf("libcontainer finds %q first", got)
			}
		})
	}
}

func TestIsPrivate(t *testing.T) {
	tests := map[int]bool{
		unix.MS_PRIVATE: true, unix.MS_PRIVATE | unix.MS_REC: true,
		unix.MS_SLAVE: false, unix.MS_SLAVE | unix.MS_REC: false, unix.MS_SHARED | unix.MS_REC: false, unix.MS_UNBINDABLE: false,
	}
	for flag, want := range tests {
		if got := isPrivate(&configs.Mount{PropagationFlags: []int{flag}}); got != want {
			t.Errorf("%#x: %v", flag, got)
		}
	}
	if isPrivate(&configs.Mount{}) {
		t.Error("a mount without a word about propagation is private")
	}
}

func TestSpareMounts(t *testing.T) {
	if _, err := os.Lstat("/proc/sys"); err != nil {
		t.Fatal(err)
	}
	const missing = "/proc/tango-no-such-file"
	proc := &configs.Mount{Device: "proc", Destination: "/proc"}
	all := []string{"/proc/sys", missing, missing + "/", "/proc/sys/tango-no-such-file", "/tango-no-such-file", "/sys/tango-no-such-file"}
	tests := []struct {
		name   string
		mounts []*configs.Mount
		want   []string
	}{
		{"procfs", []*configs.Mount{proc}, []string{all[0], all[3], all[4], all[5]}},
		{"procfs by another name", []*configs.Mount{{Device: "proc", Source: "x", Destination: "/proc/"}}, []string{all[0], all[3], all[4], all[5]}},
		{"part of procfs", []*configs.Mount{{Device: "proc", Destination: "/proc", Data: "subset=pid"}}, all},
		{"something bound on /proc", []*configs.Mount{{Device: "bind", Source: "/x", Destination: "/proc"}}, all},
		{"no /proc", nil, all},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := &configs.Config{Mounts: tt.mounts, ReadonlyPaths: slices.Clone(all)}
			spareMounts(config)
			if !slices.Equal(config.ReadonlyPaths, tt.want) {
				t.Errorf("left %v, want %v", config.ReadonlyPaths, tt.want)
			}
		})
	}
}

// usual are the device nodes that every container has.
func usual() []*devices.Device {
	var nodes []*devices.Device
	for _, d := range specconv.AllowedDevices {
		if d.Path != "" {
			node := *d
			nodes = append(nodes, &node)
		}
	}
	return nodes
}

func TestOrdinaryDev(t *testing.T) {
	tests := []struct {
		name   string
		change func(*configs.Config)
		want   bool
	}{
		{"ordinary", func(*configs.Config) {}, true},
		{"with others below it", func(c *configs.Config) {
			c.Mounts = append(c.Mounts, &configs.Mount{Device: "devpts", Destination: "/dev/pts"}, &configs.Mount{Device: "tmpfs", Destination: "/dev/shm"})
		}, true},
		{"another way to write it", func(c *configs.Config) { c.Mounts[1].Destination = "/dev/" }, true},
		{"no user namespace", func(c *configs.Config) { c.Namespaces = nil }, false},
		{"SELinux label", func(c *configs.Config) { c.MountLabel = "x" }, false},
		{"no /dev", func(c *configs.Config) { c.Mounts = c.Mounts[:1] }, false},
		{"bound from the host", func(c *configs.Config) { c.Mounts[1].Device = "bind" }, false},
		{"read-only", func(c *configs.Config) { c.Mounts[1].Flags = unix.MS_RDONLY }, false},
		{"propagation", func(c *configs.Config) { c.Mounts[1].PropagationFlags = []int{unix.MS_PRIVATE} }, false},
		{"copy up", func(c *configs.Config) { c.Mounts[1].Extensions = configs.EXT_COPYUP }, false},
		{"something over it before", func(c *configs.Config) { c.Mounts[0].Destination = "/" }, false},
		{"something below it before", func(c *configs.Config) { c.Mounts[0].Destination = "/dev/pts" }, false},
		{"something like it before", func(c *configs.Config) { c.Mounts[0].Destination = "/device" }, true},
		{"another device", func(c *configs.Config) { c.Devices[0].Path = "/dev/fuse" }, false},
		{"another device by a usual name", func(c *configs.Config) { c.Devices[0].Minor = 1 }, false},
		{"another mode", func(c *configs.Config) { c.Devices[0].FileMode = 0o777 }, false},
		{"a block device", func(c *configs.Config) { c.Devices[0].Type = devices.BlockDevice }, false},
		{"no devices", func(c *configs.Config) { c.Devices = nil }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := &configs.Config{
				Namespaces: configs.Namespaces{{Type: configs.NEWUSER}, {Type: configs.NEWNS}},
				Mounts:     []*configs.Mount{{Device: "proc", Destination: "/proc"}, {Device: "tmpfs", Destination: "/dev"}},
				Devices:    usual(),
			}
			if len(config.Devices) < 6 {
				t.Fatalf("only %d usual devices", len(config.Devices))
			}
			tt.change(config)
			if got := ordinaryDev(config); (got != nil) != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
