// Package hostile runs images and specs that mean harm, with tango and with the
// stock runtime. Both must answer the same, and the host must not change.
package hostile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"

	"tango/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

func edit(change func(*oci.Spec)) []oci.SpecOpts { return []oci.SpecOpts{harness.Edit(change)} }

// answer is what came of a container.
type answer struct {
	failed string // "" or what create or start said
	code   uint32
	output string
}

// String leaves out what differs from run to run.
func (a answer) String() string {
	if a.failed != "" {
		return "refused"
	}
	return fmt.Sprintf("code %d, output %q", a.code, a.output)
}

// run runs a container whose snapshot is prepared by whoever made the image.
func run(t *testing.T, h *harness.Harness, s harness.Spec, evil func(upper string)) (a answer) {
	t.Helper()
	c, err := h.New(h.Ctx(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Delete(c)
	evil(upperDir(t, h, c.ID()))
	err = c.CreateTask(h.Ctx())
	if err == nil {
		err = c.Start(h.Ctx())
	}
	if err != nil {
		return answer{failed: err.Error()}
	}
	a.code = h.Wait(c)
	a.output = c.Stdout.String()
	return a
}

var upperOption = regexp.MustCompile(`^upperdir=(.*)$`)

// upperDir is where the container's own files are on the host.
func upperDir(t *testing.T, h *harness.Harness, key string) string {
	t.Helper()
	mounts, err := h.Client().SnapshotService(harness.Snapshotter).Mounts(h.Ctx(), key)
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range mounts[0].Options {
		if m := upperOption.FindStringSubmatch(option); m != nil {
			return m[1]
		}
	}
	t.Fatalf("the snapshot has no upper directory: %v", mounts)
	return ""
}

// canary is a directory of the host that nobody inside has any business with.
type canary struct{ dir, before string }

func newCanary(t *testing.T) *canary {
	t.Helper()
	c := &canary{dir: t.TempDir()}
	must(t, os.WriteFile(filepath.Join(c.dir, "secret"), []byte("of the host\n"), 0o600))
	must(t, os.Mkdir(filepath.Join(c.dir, "inner"), 0o755))
	c.before = c.look(t)
	return c
}

// look describes everything below the canary, and the mounts there.
func (c *canary) look(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	must(t, filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&all, path, info.Mode(), info.Size(), info.ModTime())
		}
		return err
	}))
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	for _, line := range strings.Split(string(mounts), "\n") {
		if strings.Contains(line, c.dir) {
			fmt.Fprintln(&all, line)
		}
	}
	return all.String()
}

func (c *canary) check(t *testing.T) {
	t.Helper()
	if now := c.look(t); now != c.before {
		t.Errorf("the host has changed:\nbefore\n%s\nnow\n%s", c.before, now)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
