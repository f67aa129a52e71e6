package relay

import (
	"slices"
	"strings"
	"testing"
)

// FuzzParse wants any bytes parsed without a fault, and what is taken to be what was
// sent, field by field.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"tango-relay-1\x00/run/bundle\x002\x00shim\x00start\x00PATH=/bin\x00",
		"tango-relay-1\x00/\x001\x00shim\x00",
		"tango-relay-1\x00/\x0065535\x00shim\x00", "tango-relay-1\x00.\x001\x00a\x00", "tango-relay-1\x00/\x00-1\x00a\x00",
		"tango-relay-2\x00/\x001\x00a\x00", "tango-relay-1\x00/\x001\x00a", "\x00\x00\x00\x00", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parse(data)
		if err != nil {
			return
		}
		if len(r.Args) == 0 || !strings.HasPrefix(r.Dir, "/") {
			t.Fatalf("took %q: %+v", data, r)
		}
		fields := strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
		if fields[1] != r.Dir || !slices.Equal(fields[3:], slices.Concat(r.Args, r.Env)) {
			t.Fatalf("%q became %+v", data, r)
		}
	})
}
