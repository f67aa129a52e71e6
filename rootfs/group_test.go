package rootfs

import (
	"fmt"
	"reflect"
	"testing"
)

func TestGroupLayers(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers []string
		want   []group
	}{
		{
			"containerd", []string{"/var/lib/c/snapshots/12/fs", "/var/lib/c/snapshots/3/fs"},
			[]group{{"/var/lib/c/snapshots", []member{{0, "12/fs"}, {1, "3/fs"}}}},
		},
		{
			"one layer has the parent that two would have", []string{"/var/lib/c/snapshots/12/fs"},
			[]group{{"/var/lib/c/snapshots", []member{{0, "12/fs"}}}},
		},
		{
			"several snapshotters", []string{"/var/lib/c/snapshots/1/fs", "/run/r/snapshots/9/fs", "/var/lib/stargz/snapshots/2/fs"},
			[]group{
				{"/var/lib", []member{{0, "c/snapshots/1/fs"}, {2, "stargz/snapshots/2/fs"}}},
				{"/run/r/snapshots", []member{{1, "9/fs"}}},
			},
		},
		{
			"names that begin alike", []string{"/s/ab/1/fs", "/s/a/2/fs"},
			[]group{{"/s", []member{{0, "ab/1/fs"}, {1, "a/2/fs"}}}},
		},
		{
			"close to the root", []string{"/a", "/b/c", "/b/d", "/e/f/g"},
			[]group{
				{"/a", []member{{0, "."}}},
				{"/b", []member{{1, "c"}, {2, "d"}}},
				{"/e", []member{{3, "f/g"}}},
			},
		},
		{
			"paths that only the kernel can follow", []string{"/s/x/../1/fs", "/s/2/fs"},
			[]group{
				{"/s/x/../1/fs", []member{{0, "."}}},
				{"/s", []member{{1, "2/fs"}}},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := groupLayers(c.layers); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestGroupManyLayers(t *testing.T) {
	var layers []string
	for i := range maxLayers {
		layers = append(layers, fmt.Sprintf("/store/%02x/%d/fs", i%256, i))
	}
	if got := groupLayers(layers); len(got) != 1 || got[0].parent != "/store" {
		t.Errorf("got %d groups, the first at %q", len(got), got[0].parent)
	}
}
