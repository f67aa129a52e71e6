// Package integration tests whole containers on a real containerd. The stock
// runtime is the yardstick: every test must pass with -runtime=runc as well.
package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// newNode starts a containerd for a test, which runs beside the other tests.
func newNode(t *testing.T) *harness.Harness {
	t.Helper()
	t.Parallel()
	return harness.New(t, harness.Options{})
}

// newFreshNode is one on which no host service runs yet.
func newFreshNode(t *testing.T) *harness.Harness {
	t.Helper()
	t.Parallel()
	return harness.New(t, harness.Options{Fresh: true})
}

// sh is a command line for the container's shell.
func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

// trimmed returns the standard output of a command without space around it.
func trimmed(h *harness.Harness, c *harness.Container, args ...string) string {
	return strings.TrimSpace(h.Output(c, args...))
}

// expectOutput checks what a command in a container writes.
func expectOutput(t *testing.T, h *harness.Harness, c *harness.Container, want string, args ...string) {
	t.Helper()
	if got := trimmed(h, c, args...); got != want {
		t.Errorf("%q wrote %q, want %q", args, got, want)
	}
}

// runToEnd runs a container until it ends by itself, expects exit code 0, and
// returns its standard output without space around it.
func runToEnd(t *testing.T, h *harness.Harness, s harness.Spec) string {
	t.Helper()
	c := h.Run(s)
	if code := h.Wait(c); code != 0 {
		t.Fatalf("%q ended with code %d: %s", s.Args, code, c.Stderr)
	}
	h.Delete(c)
	return strings.TrimSpace(c.Stdout.String())
}

// edit is a change of the OCI spec as the only one.
func edit(change func(*oci.Spec)) []oci.SpecOpts { return []oci.SpecOpts{harness.Edit(change)} }

// runtimeOptions are the runtime's usual options with a change.
func runtimeOptions(t *testing.T, h *harness.Harness, change func(*options.Options)) *options.Options {
	t.Helper()
	o, err := h.RuntimeOptions(harness.Runtime(t))
	if err != nil {
		t.Fatal(err)
	}
	change(o)
	return o
}

// bind is a bind mount in the OCI spec.
func bind(source, target string, options ...string) specs.Mount {
	return specs.Mount{Source: source, Destination: target, Type: "bind", Options: append([]string{"rbind"}, options...)}
}

// withMounts adds mounts to the OCI spec.
func withMounts(mounts ...specs.Mount) []oci.SpecOpts {
	return edit(func(s *oci.Spec) { s.Mounts = append(s.Mounts, mounts...) })
}

// hostDir makes a directory below the node's that containers may use.
func hostDir(t *testing.T, h *harness.Harness, name string) string {
	t.Helper()
	dir := filepath.Join(h.Dir(), name)
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return dir
}

// statusField returns a field of /proc/PID/status of the calling process in
// the container, as exec and init see it.
func statusField(name string) []string {
	return sh(fmt.Sprintf(`while read -r key value; do [ "$key" = %s: ] && echo "$value"; done < /proc/self/status; true`, name))
}
