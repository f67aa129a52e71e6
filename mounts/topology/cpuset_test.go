package topology

import (
	"slices"
	"testing"
)

func TestParseCPUSet(t *testing.T) {
	for list, want := range map[string][]int{
		"":                nil,
		"\n":              nil,
		"0":               {0},
		"0-3,8\n":         {0, 1, 2, 3, 8},
		"63-65":           {63, 64, 65},
		"8,0-1":           {0, 1, 8},
		"3,3,2-3":         {2, 3},
		"65535":           {65535},
		"0,2,4,6,128-129": {0, 2, 4, 6, 128, 129},
	} {
		s, err := ParseCPUSet(list)
		if err != nil {
			t.Errorf("%q: %v", list, err)
			continue
		}
		if got := slices.Collect(s.All()); !slices.Equal(got, want) || s.Len() != len(want) {
			t.Errorf("%q: %v (%d), want %v", list, got, s.Len(), want)
		}
	}
}

func TestParseCPUSetRefuses(t *testing.T) {
	for _, list := range []string{
		"a", "-", "1-", "-1", "3-1", "0,", ",0", "0 1", "0-3:1/2", "65536", "0-4294967295",
		"99999999999999999999", "+1", "0x1", "1--2", "all",
	} {
		if s, err := ParseCPUSet(list); err == nil {
			t.Errorf("%q: %v, want an error", list, s)
		}
	}
}

func TestCPUSetString(t *testing.T) {
	for list, want := range map[string]string{
		"": "", "0": "0", "0,1": "0-1", "3,1,2": "1-3", "0-1,3,5-200": "0-1,3,5-200", "64": "64",
	} {
		if got := parsed(t, list).String(); got != want {
			t.Errorf("%q: %q, want %q", list, got, want)
		}
	}
}

func TestCPUSetCompare(t *testing.T) {
	for _, c := range []struct{ a, b, both, minus string }{
		{"0-7", "4-11", "4-7", "0-3"},
		{"0-7", "", "", "0-7"},
		{"", "0-7", "", ""},
		{"0,200", "200", "200", "0"},
		{"0", "200", "", "0"},
	} {
		a, b := parsed(t, c.a), parsed(t, c.b)
		if got := a.Intersect(b).String(); got != c.both {
			t.Errorf("%q and %q: %q, want %q", c.a, c.b, got, c.both)
		}
		if got := a.Minus(b).String(); got != c.minus {
			t.Errorf("%q without %q: %q, want %q", c.a, c.b, got, c.minus)
		}
		if a.String() != parsed(t, c.a).String() {
			t.Errorf("%q changed to %q", c.a, a)
		}
	}
	if s := parsed(t, "3"); s.Contains(-1) || s.Contains(2) || !s.Contains(3) || s.Contains(4000) {
		t.Error("Contains is wrong about 3")
	}
}

// FuzzParseCPUSet: what is accepted means the same after a round trip.
func FuzzParseCPUSet(f *testing.F) {
	for _, list := range []string{"", "0", "0-3,8", "3-1", "0-65535", "1,1", "a-b", "0-3:1/2", " 5 \n"} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		s, err := ParseCPUSet(list)
		if err != nil {
			return
		}
		again := parsed(t, s.String())
		if again.String() != s.String() || again.Len() != s.Len() || !slices.Equal(again.words, s.words) {
			t.Errorf("%q is %q, and then %q", list, s, again)
		}
	})
}

func parsed(t *testing.T, list string) CPUSet {
	t.Helper()
	s, err := ParseCPUSet(list)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
