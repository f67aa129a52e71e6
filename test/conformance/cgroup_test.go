package main

import "testing"

func TestParseHierarchy(t *testing.T) {
	for line, want := range map[string]hierarchy{
		"30 24 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct": {
			Mountpoint: "/sys/fs/cgroup/cpu,cpuacct", Options: "cpu,cpuacct",
		},
		"31 24 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd": {
			Mountpoint: "/sys/fs/cgroup/systemd", Options: "xattr,name=systemd",
		},
		"32 24 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate": {
			Mountpoint: "/sys/fs/cgroup", Unified: true,
		},
	} {
		if got, ok := parseHierarchy(line); !ok || got != want {
			t.Errorf("%s:\n%+v, %v, want %+v", line, got, ok, want)
		}
	}
	if _, ok := parseHierarchy("20 1 254:0 / / rw,relatime - ext4 /dev/vda rw"); ok {
		t.Error("a disk was taken for a cgroup hierarchy")
	}
}

func TestOwnCgroup(t *testing.T) {
	own := "3:cpu,cpuacct:/a/b\n2:name=systemd:/c\n1:cpuset:/d\n0::/e\n"
	for h, want := range map[hierarchy]string{
		{Options: "cpu,cpuacct"}:        "/a/b",
		{Options: "xattr,name=systemd"}: "/c",
		{Options: "cpuset"}:             "/d",
		{Options: "memory"}:             "/",
		{Unified: true}:                 "/",
	} {
		if got := h.ownCgroup(own); got != want {
			t.Errorf("%+v: %s, want %s", h, got, want)
		}
	}
}
