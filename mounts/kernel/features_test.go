package kernel

import "testing"

func TestDetect(t *testing.T) {
	f, err := Detect()
	t.Logf("%+v %v", f, err)
	for _, f := range All() {
		t.Logf("%-40s %v", f, f.Probe())
	}
}
