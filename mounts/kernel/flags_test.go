package kernel

import (
	"fmt"
	"testing"
)

func TestFlagNames(t *testing.T) {
	for _, c := range []struct {
		flags fmt.Stringer
		want  string
	}{
		{MountAttr(0), ""},
		{AttrReadOnly | AttrNoSuid, "ro|nosuid"},
		{AttrNoAtime, "noatime"},
		{AttrStrictAtime | AttrNoExec, "strictatime|noexec"},
		{AttrAtime | AttrIDMap, "atime|idmap"},
		{MountAttr(0x30) | AttrNoDev, "nodev|0x30"}, // no such access time mode
		{AttrReadOnly | 1<<40, "ro|0x10000000000"},
		{TreeClone | TreeRecursive, "clone|recursive"},
		{OpenTreeFlags(1 << 20), "0x100000"},
		{treeNamespace | TreeNoFollow, "namespace|nofollow"},
		{UnmountDetach | UnmountNoFollow | 1<<9, "detach|nofollow|0x200"},
		{Private, "private"},
		{Slave | 1<<30, "slave|0x40000000"},
	} {
		if s := c.flags.String(); s != c.want {
			t.Errorf("%#v is %q, want %q", c.flags, s, c.want)
		}
	}
}
