package rootfs

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tango/mounts/userns"
)

// parseOne parses one mount and gives its step.
func parseOne(t *testing.T, m Mount) step {
	t.Helper()
	plan := mustParse(t, m)
	if len(plan.steps) != 1 {
		t.Fatalf("got %d steps", len(plan.steps))
	}
	return plan.steps[0]
}

func overlayOf(options ...string) Mount {
	return Mount{Type: "overlay", Source: "overlay", Options: options}
}

func TestParseOverlay(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []string
		want    overlay
	}{
		{
			"as containerd's snapshotter has it",
			[]string{"index=off", "workdir=/s/3/work", "upperdir=/s/3/fs", "lowerdir=/s/2/fs:/s/1/fs"},
			overlay{lower: []string{"/s/2/fs", "/s/1/fs"}, upper: "/s/3/fs", work: "/s/3/work", params: []string{"index=off"}},
		},
		{
			"view",
			[]string{"lowerdir=/s/2/fs:/s/1/fs", "userxattr", "metacopy=on", "redirect_dir=on", "xino=auto"},
			overlay{lower: []string{"/s/2/fs", "/s/1/fs"}, params: []string{"userxattr", "metacopy=on", "redirect_dir=on", "xino=auto"}},
		},
		{
			"view with a workdir",
			[]string{"lowerdir=/s/2/fs:/s/1/fs", "workdir=/w"},
			overlay{lower: []string{"/s/2/fs", "/s/1/fs"}},
		},
		{
			"escapes",
			[]string{`lowerdir=/a\:b:/c\\d:/e\,f:/\g`, `upperdir=/u\:p`, `workdir=/w\,k`},
			overlay{lower: []string{"/a:b", `/c\d`, "/e,f", "/g"}, upper: "/u:p", work: "/w,k"},
		},
		{
			"joined elements",
			[]string{`lowerdir=/a:/b,upperdir=/u,workdir=/w,volatile`, `context="system_u:object_r:container_file_t:s0:c1,c2",xino=off`},
			overlay{lower: []string{"/a", "/b"}, upper: "/u", work: "/w", params: []string{"volatile", `context="system_u:object_r:container_file_t:s0:c1,c2"`, "xino=off"}},
		},
		{
			"data-only layers",
			[]string{"lowerdir=/a:/b::/d1::/d2"},
			overlay{lower: []string{"/a", "/b"}, data: []string{"/d1", "/d2"}},
		},
		{
			"layers one by one",
			[]string{"lowerdir+=/a", "lowerdir+=/b", "datadir+=/c"},
			overlay{lower: []string{"/a", "/b"}, data: []string{"/c"}},
		},
		{
			"last one wins",
			[]string{"lowerdir=/a:/b", "lowerdir=/c:/d"},
			overlay{lower: []string{"/c", "/d"}},
		},
		{
			"untidy paths",
			[]string{"lowerdir=//a//b/:/c/./d:/e/../f"},
			overlay{lower: []string{"/a/b", "/c/d", "/e/../f"}},
		},
		{
			"upper inside of a lower",
			[]string{"lowerdir=/a", "upperdir=/a/up", "workdir=/a/work"},
			overlay{lower: []string{"/a"}, upper: "/a/up", work: "/a/work"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.source = "overlay"
			if got := parseOne(t, overlayOf(c.options...)).body; !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestParseBindAndOthers(t *testing.T) {
	for _, c := range []struct {
		name string
		m    Mount
		want body
	}{
		{"first layer", Mount{Type: "bind", Source: "/s/1/fs", Options: []string{"rw", "rbind"}}, bind{source: "/s/1/fs", recursive: true}},
		{"single bind", Mount{Type: "bind", Source: "/s/1/fs/", Options: []string{"ro", "bind"}}, bind{source: "/s/1/fs"}},
		{"no type", Mount{Source: "/s", Options: []string{"rbind", "rprivate"}}, bind{source: "/s", recursive: true, ignored: []string{"rprivate"}}},
		{"type alone", Mount{Type: "rbind", Source: "/s"}, bind{source: "/s", recursive: true}},
		{"devmapper", Mount{Type: "ext4", Source: "/dev/mapper/x", Options: []string{"discard"}}, filesystem{fstype: "ext4", source: "/dev/mapper/x", params: []string{"discard"}}},
		{"blockfile", Mount{Type: "ext4", Source: "/b", Options: []string{"loop", "direct-io", "sync"}}, filesystem{fstype: "ext4", source: "/b", loop: true, direct: true}},
		{"erofs", Mount{Type: "erofs", Source: "/m", Options: []string{"ro", "loop", "device=/a", "device=/b"}}, filesystem{fstype: "erofs", source: "/m", loop: true, params: []string{"device=/a", "device=/b"}}},
		{"tmpfs", Mount{Type: "tmpfs", Source: "tmpfs", Options: []string{"size=1m,mode=755", "nodev"}}, filesystem{fstype: "tmpfs", source: "tmpfs", params: []string{"size=1m", "mode=755"}}},
		{"no loop, direct-io", Mount{Type: "x", Options: []string{"direct-io"}}, filesystem{fstype: "x", params: []string{"direct-io"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := parseOne(t, c.m).body; !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestParseFlags(t *testing.T) {
	for _, c := range []struct {
		options []string
		want    Flags
	}{
		{nil, 0},
		{[]string{"ro", "rw"}, 0},
		{[]string{"rw", "ro"}, FlagReadOnly},
		{[]string{"nosuid,nodev", "noexec"}, FlagNoSuid | FlagNoDev | FlagNoExec},
		{[]string{"noatime", "atime", "relatime", "nodiratime"}, FlagRelAtime | FlagNoDirAtime},
		{[]string{"strictatime", "sync", "dirsync", "mand", "defaults"}, FlagStrictAtime | FlagSync | FlagDirSync | FlagMandatory},
		{[]string{"sync", "mand", "async", "nomand"}, 0},
	} {
		if got := parseOne(t, Mount{Type: "x", Options: c.options}).flags; got != c.want {
			t.Errorf("%q: got %q, want %q", c.options, got.options(), c.want.options())
		}
	}
}

func TestParseMapping(t *testing.T) {
	got := parseOne(t, Mount{Type: "bind", Source: "/s", Options: []string{"uidmap=0:1000:1,1:2000:65535", "gidmap=0:5:10", "rw", "rbind"}}).mapping
	want := Mapping{
		UIDs: []userns.IDMap{{ContainerID: 0, HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 2000, Size: 65535}},
		GIDs: []userns.IDMap{{ContainerID: 0, HostID: 5, Size: 10}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestParseRefuses checks that what cannot work is refused by name, with a way
// out.
func TestParseRefuses(t *testing.T) {
	many := make([]string, maxLayers+1)
	for i := range many {
		many[i] = fmt.Sprintf("/s/%d/fs", i)
	}
	for _, c := range []struct {
		m            Mount
		option, says string
	}{
		{overlayOf(), "lowerdir", "is missing"},
		{overlayOf("lowerdir="), "lowerdir", "empty path"},
		{overlayOf("lowerdir=/a::"), "lowerdir", "empty path"},
		{overlayOf("lowerdir=/a:/b:"), "lowerdir", "empty path"},
		{overlayOf("lowerdir=/a::/d:/b"), "lowerdir", `"::"`},
		{overlayOf("lowerdir=/a:b"), "lowerdir", "absolute path"},
		{overlayOf(`lowerdir=/a:/b\`), "lowerdir", "single backslash"},
		{overlayOf("lowerdir=/a:/b:/a/"), "lowerdir", "named twice"},
		{overlayOf("lowerdir=/a/b/c:/a/b"), "lowerdir", `inside the layer "/a/b"`},
		{overlayOf("lowerdir=/:/b"), "lowerdir", `inside the layer "/"`},
		{overlayOf("lowerdir=/a"), "lowerdir", "read-only bind"},
		{overlayOf("lowerdir=" + strings.Join(many, ":")), "lowerdir", "500 at most"},
		{overlayOf("lowerdir=/a", "upperdir=/u"), "upperdir", "without workdir"},
		{overlayOf("lowerdir=/a", "upperdir=u", "workdir=/w"), "upperdir", "absolute path"},
		{overlayOf("lowerdir=/a,b/c", "upperdir=/u", "workdir=/w"), "option", `"\,"`},
		{overlayOf("lowerdir=/a:/b", "loop"), "loop", "mount the image first"},
		{overlayOf("lowerdir=/a:/b", "X-containerd.mkdir.path=/x"), "X-containerd.mkdir.path", "mount manager"},
		{overlayOf("lowerdir=/a:/b", "remount"), "remount", "nothing to change"},
		{overlayOf("lowerdir=/a:/b", "uidmap=0:1:1"), "uidmap", "without gidmap"},
		{overlayOf("lowerdir=/a:/b", "gidmap=0:1:1"), "gidmap", "without uidmap"},
		{overlayOf("lowerdir=/a:/b", "uidmap=0:1", "gidmap=0:1:1"), "uidmap", "container:host:size"},
		{overlayOf("lowerdir=/a:/b", "uidmap=0:1:1", "gidmap=0:1:-1"), "gidmap", "-1"},
		{overlayOf("lowerdir=/a:/b", "uidmap=0:1:5,4:10:1", "gidmap=0:1:1"), "uidmap", "container id twice"},
		{overlayOf("lowerdir=/a:/b", "uidmap=0:1:5,9:5:1", "gidmap=0:1:1"), "uidmap", "host id twice"},
		{overlayOf("lowerdir=/a:/b,uidmap=0:1:5"), "uidmap", "element of its own"},
		{overlayOf("lowerdir=/a:/b", "x="+strings.Repeat("y", 256)), "x", "255"},
		{overlayOf("lowerdir=/a:/b", "=y"), "option", "no name"},
		{Mount{Type: "bind", Source: "rel", Options: []string{"bind"}}, "source", "absolute"},
		{Mount{Type: "bind", Options: []string{"bind"}}, "source", "absolute"},
		{Mount{Type: "bind", Source: "/f", Options: []string{"bind", "loop"}}, "loop", "type"},
		{Mount{}, "type", "empty"},
		{Mount{Type: "fuse3.fuse-overlayfs"}, "type", "helper"},
		{Mount{Type: "format/mkdir/overlay"}, "type", "mount manager"},
		{Mount{Type: "tmpfs", Source: "a\x00b"}, "source", "NUL"},
		{Mount{Type: "tmpfs", Options: []string{"a\x00b"}}, "option", "NUL"},
	} {
		_, err := Parse([]Mount{{Type: "tmpfs"}, c.m})
		var bad *OptionError
		if !errors.As(err, &bad) {
			t.Errorf("%+v: got %v, want an OptionError", c.m, err)
			continue
		}
		if bad.Mount != 1 || bad.Type != c.m.Type || bad.Option != c.option || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: got %v, want option %q and %q", c.m, err, c.option, c.says)
		}
	}
	if _, err := Parse(nil); !errors.Is(err, ErrNoMounts) {
		t.Errorf("nothing: got %v", err)
	}
}

func TestParseManyLayers(t *testing.T) {
	var layers []string
	for i := range maxLayers {
		layers = append(layers, fmt.Sprintf("/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/%d/fs", 10000+i))
	}
	m := overlayOf("workdir=/w", "upperdir=/u", "lowerdir="+strings.Join(layers, ":"))
	plan := mustParse(t, m)
	if got := plan.Layers(); got != maxLayers {
		t.Errorf("got %d layers", got)
	}
	if got := parseOne(t, m).body.(overlay).lower; !slices.Equal(got, layers) {
		t.Error("layers are not those of the option")
	}
}

// TestPlanIsItsOwn changes what a plan was parsed from, and what it renders.
func TestPlanIsItsOwn(t *testing.T) {
	ms := []Mount{overlayOf("uidmap=0:1:2", "gidmap=0:1:2", "lowerdir=/a:/b", "index=off")}
	plan, want := mustParse(t, ms...), mustParse(t, ms...)
	ms[0].Options[2] = "lowerdir=/changed:/b"
	rendered := plan.Mounts()
	for i := range rendered[0].Options {
		rendered[0].Options[i] = "changed"
	}
	if !reflect.DeepEqual(plan, want) {
		t.Errorf("got %+v, want %+v", plan, want)
	}
	if !plan.Mapped() || plan.Layers() != 2 {
		t.Errorf("got mapped %v, %d layers", plan.Mapped(), plan.Layers())
	}
}
