package remote

import (
	"reflect"
	"strings"
	"testing"

	"tango/rootfs"
)

// FuzzWire: what was encoded is decoded as it was, and whatever else is decoded is
// encoded as it came.
func FuzzWire(f *testing.F) {
	f.Add(request{standing: "1:2:3", way: "auto", mounts: []rootfs.Mount{
		{Type: "overlay", Source: "overlay", Options: []string{"lowerdir=/a:/b", ""}}, {Type: "bind", Source: "/x", Target: "y"},
	}}.encode())
	f.Add(reply{way: "detached", locked: true, targets: []string{"", "mnt"}}.encode())
	f.Add([]byte("1\x00v\x00w\x00999999999999\x00"))
	f.Add([]byte("1\x00v\x00w\x00-1\x00"))
	f.Add([]byte("1\x00v\x00w\x001\x00t\x00s\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if req, err := decodeRequest(payload); err == nil {
			again, err := decodeRequest(req.encode())
			if err != nil || !reflect.DeepEqual(req, again) {
				t.Errorf("%q is %+v, and then %+v, %v", payload, req, again, err)
			}
		}
		if rep, err := decodeReply(payload); err == nil {
			again, err := decodeReply(rep.encode())
			if err != nil || !reflect.DeepEqual(rep, again) {
				t.Errorf("%q is %+v, and then %+v, %v", payload, rep, again, err)
			}
		}
	})
}

func TestWireRefuses(t *testing.T) {
	good := string(request{standing: "v", way: "auto", mounts: []rootfs.Mount{{Type: "bind", Options: []string{"ro"}}}}.encode())
	for _, bad := range []string{"", good + "more\x00", strings.TrimSuffix(good, "\x00"), good[:len(good)/2], "2" + good[1:], "1\x00v\x00w\x00x\x00"} {
		if r, err := decodeRequest([]byte(bad)); err == nil {
			t.Errorf("%q is %+v", bad, r)
		}
	}
	if r, err := decodeRequest([]byte(good)); err != nil || len(r.mounts) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
