package rootfs

import "testing"

func TestNeedsLocks(t *testing.T) {
	s := newSnapshots(t, "overlayfs")
	overlay := manyLayers(t, 2)
	readOnly := manyLayers(t, 2, "ro")
	bind := Mount{Type: "bind", Source: s.layers[0], Options: []string{"rbind"}}
	tmpfs := Mount{Type: "tmpfs", Source: "tmpfs"}
	for _, c := range []struct {
		name   string
		mounts []Mount
		want   bool
	}{
		{"filesystems of its own", []Mount{overlay, tmpfs}, false},
		{"read-only", []Mount{readOnly}, true},
		{"nodev", []Mount{{Type: "tmpfs", Source: "tmpfs", Options: []string{"nodev"}}}, true},
		{"the host's files", []Mount{bind}, true},
		{"the host's files first", []Mount{bind, overlay}, true},
	} {
		for _, p := range []*Preparer{newPreparer(t, WayAuto), newInPlace(t, WayAuto)} {
			if got := mustPrepare(t, p, mustParse(t, c.mounts...)).NeedsLocks(); got != c.want {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	}
}
