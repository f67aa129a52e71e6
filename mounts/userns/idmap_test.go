package userns_test

import (
	"slices"
	"strings"
	"testing"

	"tango/mounts/userns"
)

func TestParseMap(t *testing.T) {
	for _, c := range []struct {
		s    string
		want []userns.IDMap
	}{
		{"0:100000:65536", []userns.IDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}},
		{"0:1000:1,1:100000:65535", []userns.IDMap{
			{ContainerID: 0, HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 65535},
		}},
		{"0:0:4294967295", []userns.IDMap{{Size: 4294967295}}},
	} {
		got, err := userns.ParseMap(c.s)
		must(t, err)
		if !slices.Equal(got, c.want) {
			t.Errorf("%q is %v, want %v", c.s, got, c.want)
		}
	}
}

func TestParseMapRefuses(t *testing.T) {
	for _, s := range []string{
		"", ",", "0:1", "0:1:2:3", "0:1:2,", ",0:1:2", "0:1:0", "-1:0:1", "a:0:1", " 0:0:1", "0:0:1 ",
		"4294967296:0:1", "0:0:4294967296", "1:0:4294967295", "0:4294967295:1", "0x0:0:1",
		strings.Repeat("0:0:1,", 340) + "0:0:1",
	} {
		if m, err := userns.ParseMap(s); err == nil {
			t.Errorf("%.40q is %v", s, m)
		}
	}
}

// What is read, written again, reads the same.
func FuzzParseMap(f *testing.F) {
	f.Add("0:100000:65536,65536:200000:1")
	f.Add("0:0:4294967295")
	f.Add(",:")
	f.Fuzz(func(t *testing.T, s string) {
		maps, err := userns.ParseMap(s)
		if err != nil {
			return
		}
		var parts []string
		for _, m := range maps {
			parts = append(parts, m.String())
		}
		again, err := userns.ParseMap(strings.Join(parts, ","))
		if err != nil || !slices.Equal(again, maps) {
			t.Errorf("%q is %v, then %v, %v", s, maps, again, err)
		}
	})
}
