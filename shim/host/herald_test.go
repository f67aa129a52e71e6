package host

import (
	"os"
	"path/filepath"
	"testing"

	"tango/mounts/pidref"
)

// TestContainersAreAnnounced makes the directories that a container's coming is told by,
// where the service was told to look, and where shims have said so.
func TestContainersAreAnnounced(t *testing.T) {
	dir := t.TempDir()
	c := Config{RunDir: filepath.Join(dir, "run"), Executables: pidref.Dir(filepath.Join(dir, "exe", "key")), Relay: "test.relay", Bundles: filepath.Join(dir, "bundles")}
	for _, d := range []string{c.RunDir, c.Bundles, filepath.Join(dir, "snapshots"), filepath.Join(dir, "others")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(c.RunDir, heard), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	runAs(t, c)
	announces(t, c, c.Bundles)
	for _, name := range []string{"snapshots", "others"} { // the last that was said counts
		NoteSnapshots(c.RunDir, filepath.Join(dir, name))
		announces(t, c, c.Bundles) // which has the service look
		announces(t, c, filepath.Join(dir, name))
	}
}

// announces makes directories in dir until the service has told of one.
func announces(t *testing.T, c Config, dir string) {
	t.Helper()
	before := timesHeard(t, c)
	eventually(t, "a directory in "+dir+" is heard of", func() bool {
		if _, err := os.MkdirTemp(dir, ""); err != nil {
			t.Fatal(err)
		}
		return timesHeard(t, c) > before
	})
}

func timesHeard(t *testing.T, c Config) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(c.RunDir, heard))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
