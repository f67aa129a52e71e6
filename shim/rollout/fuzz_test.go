package rollout

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzState decides by what somebody has written into the run directory: whatever it is,
// a container gets an arm that there is.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"disabled":{"tango":{"by":"hand","at":"2026-01-02T03:04:05Z"}}}`), "pod", 50.0)
	f.Add([]byte(`{"disabled":{"control":{},"tango":{}}}`), "", 100.0)
	f.Add([]byte(`[`), "pod", -1.0)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, pod string, percent float64) {
		if err := os.WriteFile(filepath.Join(dir, stateFile), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := LoadState(dir)
		c := Config{Percent: percent, Active: true}
		if err != nil || c.Validate() != nil {
			return
		}
		if d := c.Assign(pod, s); !IsArm(d.Arm) || !IsArm(d.Base) {
			t.Errorf("%s puts %q into %+v", data, pod, d)
		}
	})
}
