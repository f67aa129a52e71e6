package integration

import (
	"regexp"
	"strings"
	"testing"

	"tango/test/harness"
)

// Tests that ask both runtimes the same and compare what they say. They run both
// whatever -runtime is.

// both runs a function with each of the runtimes.
func both(t *testing.T, ask func(runtime string) string) (stock, tango string) {
	t.Helper()
	return ask(harness.Stock), ask(harness.Tango)
}

// varying is what differs between two errors of the same kind: the node's
// directory, ids of containers, processes and descriptors.
var varying = []struct {
	pattern *regexp.Regexp
	plain   string
}{
	{regexp.MustCompile(`/[^ ":]*/tango-node-[0-9]+`), "NODE"},
	// Where the source of a bind mount is taken to: docs/operations.md.
	{regexp.MustCompile(`NODE/[^ ":]*/sources-[0-9]+/[0-9]+|NODE/volume|on /proc\b`), "SOURCE"},
	{regexp.MustCompile(`\bon SOURCE`), "SOURCE"},
	{regexp.MustCompile(`0x[0-9a-f]+`), "ADDRESS"},
	{regexp.MustCompile(`\b[ce][0-9]+\b`), "ID"},
	{regexp.MustCompile(`/proc/[0-9]+/`), "/proc/PID/"},
	{regexp.MustCompile(`/fd/[0-9]+`), "/fd/N"},
	{regexp.MustCompile(`: unknown\b`), ""}, // the stock shim does not say of what kind its errors are
}

func plain(err error) string {
	if err == nil {
		return "no error"
	}
	text := err.Error()
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.plain)
	}
	return text
}

// sameRefusal wants both runtimes to refuse a container in the same words, some
// of which are given, and to leave nothing.
func sameRefusal(t *testing.T, h *harness.Harness, s harness.Spec, words string) {
	t.Helper()
	stock, tango := both(t, func(runtime string) string {
		spec := s
		spec.Runtime = runtime
		_, err := h.Node.Run(h.Ctx(), spec)
		return plain(err)
	})
	if stock != tango || !strings.Contains(tango, words) {
		t.Errorf("tango says\n%s\nrunc says\n%s\nboth should say %q", tango, stock, words)
	}
}

// sameExecRefusal is sameRefusal for a further process of a container, which goes
// on.
func sameExecRefusal(t *testing.T, h *harness.Harness, s harness.ExecSpec, words string) {
	t.Helper()
	stock, tango := both(t, func(runtime string) string {
		c := h.Run(harness.Spec{Runtime: runtime})
		defer h.Delete(c)
		e, err := c.NewExec(h.Ctx(), s)
		if err == nil {
			err = e.Start(h.Ctx())
		}
		expectOutput(t, h, c, "alive", "echo", "alive")
		return plain(err)
	})
	if stock != tango || !strings.Contains(tango, words) {
		t.Errorf("tango says\n%s\nrunc says\n%s\nboth should say %q", tango, stock, words)
	}
}
