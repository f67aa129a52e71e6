package rollout

import (
	"bufio"
	"cmp"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tango/shim/telemetry"
	"tango/test/harness"
)

// timeline is what the test wants of tango trace --json.
type timeline struct {
	Container string
	Traced    bool
	Calls     int
	Steps     []struct{ Kind, Name, Who string }
}

// TestTraceNext wants every kind of step, libcontainer's mount calls included.
func TestTraceNext(t *testing.T) {
	h := newHost(t)
	for name, c := range map[string]struct {
		userns *harness.UserNS
		copies string // how the mount namespace comes about
	}{
		"plain": {nil, "call unshare"}, "userns": {harness.NthUserNS(1), "call clone"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := harness.Spec{UserNS: c.userns, Options: h.options(tangoOnly)}
			h.Delete(h.Run(spec)) // the image is there, then
			file := filepath.Join(t.TempDir(), "trace.json")
			tracing := h.startTrace(t, file)
			id := h.Run(spec).ID()
			trace := tracing.end(t)
			seen := map[string]bool{}
			for _, s := range trace.Steps {
				seen[s.Kind+" "+s.Name] = true
			}
			for _, want := range []string{"operation create", "operation start", "phase create.init", "call mount", "call pivot_root", c.copies} {
				if !seen[want] {
					t.Errorf("no %q in %+v", want, trace.Steps)
				}
			}
			if trace.Container != id || !trace.Traced || trace.Calls < 20 {
				t.Errorf("%s, %d calls", trace.Container, trace.Calls)
			}
			if text := h.fine("trace", id); !strings.Contains(text, "create.rootfs") {
				t.Error(text)
			}
			checkTraceEvents(t, readFile(t, file))
		})
	}
}

// TestTraceOfTheGone traces a container whose shim was there before the trace began,
// and has ended before anybody looks at it.
func TestTraceOfTheGone(t *testing.T) {
	h := newHost(t)
	h.Eventually("a warm shim waits", func() bool { // the service starts one when it was asked for it
		h.Delete(h.Run(harness.Spec{Options: h.options(tangoOnly)}))
		return slices.ContainsFunc(decodeJSON[ps](t, h.fine("ps", "--json")).Helpers, func(p helper) bool { return p.Kind == "warm" })
	})
	tracing := h.startTrace(t, filepath.Join(t.TempDir(), "trace.json"))
	tracing.signal(t, syscall.SIGSTOP)
	c := h.Run(harness.Spec{Options: h.options(tangoOnly)})
	h.Delete(c)
	h.Eventually("its shim has ended", func() bool {
		return len(decodeJSON[ps](t, h.fine("ps", "--json")).Pods) == 0
	})
	tracing.signal(t, syscall.SIGCONT)
	trace := tracing.end(t)
	by := map[string]int{}
	for _, s := range trace.Steps {
		if s.Kind == "call" {
			by[s.Who]++
		}
	}
	if trace.Container != c.ID() || by["containerd-shim"] < 3 || by["runc:[2:INIT]"] < 20 {
		t.Errorf("%s: calls %v", trace.Container, by)
	}
}

// TestTraceOfService wants what the mount service did for a container, which has an
// id-mapped root filesystem.
func TestTraceOfService(t *testing.T) {
	h := newHost(t)
	spec := harness.Spec{UserNS: harness.NthUserNS(1), Options: h.options(tangoOnly + "\nMountWork = \"service\"\n")}
	h.Eventually("the service has built a root filesystem", func() bool {
		c := h.Run(spec)
		h.Delete(c)
		return h.record(telemetry.OpCreate, c.ID()).Counts["fallback.service"] == 0
	})
	tracing := h.startTrace(t, filepath.Join(t.TempDir(), "trace.json"))
	h.Run(spec)
	trace := tracing.end(t)
	for _, s := range trace.Steps {
		if s.Kind == "call" && s.Name == "fsmount" && s.Who == "the host's service" {
			return
		}
	}
	t.Errorf("no call of the service's in %+v", trace.Steps)
}

// tracing is a command that waits for the next container.
type tracing struct {
	*exec.Cmd
	out strings.Builder
}

func (r *tracing) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := r.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// end waits until the command has said what it saw.
func (r *tracing) end(t *testing.T) timeline {
	t.Helper()
	if err := r.Wait(); err != nil {
		t.Fatal(err)
	}
	return decodeJSON[timeline](t, r.out.String())
}

// startTrace starts the command, which writes a trace to a file, and returns when it
// waits for a container.
func (h *host) startTrace(t *testing.T, file string) *tracing {
	t.Helper()
	r := &tracing{Cmd: exec.CommandContext(h.Ctx(), h.tango, "trace", "--next", "--run-dir", h.runDir, "--perfetto", file, "--json")}
	r.Stdout = &r.out
	said, err := r.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || !strings.Contains(line, "waiting") {
		t.Fatalf("%q, %v", line, err)
	}
	return r
}

// traceEvent is an event of the Trace Event Format. The fields are pointers where
// the format wants them to be there.
type traceEvent struct {
	Name     string   `json:"name"`
	Phase    string   `json:"ph"`
	At       *float64 `json:"ts"`
	Took     *float64 `json:"dur"`
	Process  *int     `json:"pid"`
	Thread   *int     `json:"tid"`
	Category string   `json:"cat"`
	Args     map[string]any
}

// checkTraceEvents holds a file against the Trace Event Format, as far as ui.perfetto.dev
// and chrome://tracing need it: slices ("X") have a begin and a length, those of one
// row lie beside or within one another, and each row has a name ("M").
func checkTraceEvents(t *testing.T, text string) {
	t.Helper()
	trace := decodeJSON[struct {
		TraceEvents     []traceEvent
		DisplayTimeUnit string
	}](t, text)
	rows, named := map[int][]traceEvent{}, map[int]bool{}
	for _, e := range trace.TraceEvents {
		switch {
		case e.Name == "" || e.Process == nil || e.Thread == nil || e.At == nil:
			t.Errorf("something is missing in %+v", e)
		case e.Phase == "M" && e.Name == "thread_name":
			named[*e.Thread] = e.Args["name"] != ""
		case e.Phase == "X" && e.Took != nil && *e.Took > 0:
			rows[*e.Thread] = append(rows[*e.Thread], e)
		case e.Phase != "M":
			t.Errorf("neither a slice nor a name: %+v", e)
		}
	}
	if len(rows) < 3 || trace.DisplayTimeUnit != "ms" {
		t.Errorf("%d rows, in %q", len(rows), trace.DisplayTimeUnit)
	}
	for row, slices := range rows {
		if !named[row] {
			t.Errorf("row %d has no name", row)
		}
		if err := nested(slices); err != nil {
			t.Errorf("row %d: %v", row, err)
		}
	}
}

// nested tells which of the slices of a row begins within another and ends after it:
// such a one is not shown.
func nested(row []traceEvent) error {
	const rounding = 0.01 // of microseconds in floating point
	slices.SortFunc(row, func(a, b traceEvent) int {
		return cmp.Or(cmp.Compare(*a.At, *b.At), cmp.Compare(*b.Took, *a.Took))
	})
	var within []traceEvent
	for _, e := range row {
		for len(within) > 0 && end(within[len(within)-1]) <= *e.At+rounding {
			within = within[:len(within)-1]
		}
		if n := len(within); n > 0 && end(e) > end(within[n-1])+rounding {
			return fmt.Errorf("%s from %.2f to %.2f ends after %s from %.2f to %.2f",
				e.Name, *e.At, end(e), within[n-1].Name, *within[n-1].At, end(within[n-1]))
		}
		within = append(within, e)
	}
	return nil
}

func end(e traceEvent) float64 { return *e.At + *e.Took }
