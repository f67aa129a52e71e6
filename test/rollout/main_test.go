// Package rollout tests, on a real containerd, what people who roll tango out use:
// arms, records, and the commands that show them.
package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/api/types/runtimeoptions/v1"

	"tango/shim/telemetry"
	"tango/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// host is a node with a collector.
type host struct {
	*harness.Harness
	t      *testing.T
	runDir string
	tango  string // the command
}

// newHost starts a containerd, and a collector unless one runs with the host's
// service: of two, one waits for the other's end.
func newHost(t *testing.T) *host {
	t.Helper()
	if harness.Runtime(t) != harness.Tango {
		t.Skip("NOT TESTED with the stock runtime: it has no arms and no records")
	}
	h := &host{Harness: harness.New(t, harness.Options{Runtime: harness.Tango}), t: t}
	h.runDir = filepath.Join(h.Dir(), "run")
	var err error
	if h.tango, err = h.Tool("tango"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- telemetry.Serve(ctx, h.runDir) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	h.Eventually("a collector answers", func() bool {
		_, err := telemetry.Fetch(h.Ctx(), h.runDir)
		return err == nil
	})
	return h
}

// options are runtime options in the form that CRI sends.
func (h *host) options(rollout string) *runtimeoptions.Options {
	return &runtimeoptions.Options{ConfigBody: fmt.Appendf(nil, "Root = %q\n%s\n", filepath.Join(h.runDir, "runtime"), rollout)}
}

// run calls the command and returns its output and exit code.
func (h *host) run(args ...string) (string, int) {
	h.t.Helper()
	cmd := exec.CommandContext(h.Ctx(), h.tango, args...)
	cmd.Env = append(os.Environ(), "TANGO_RUN_DIR="+h.runDir)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		h.t.Logf("tango %q: %s", args, exit.Stderr)
		return string(out), exit.ExitCode()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return string(out), 0
}

// fine calls the command, which must succeed.
func (h *host) fine(args ...string) string {
	h.t.Helper()
	out, code := h.run(args...)
	if code != 0 {
		h.t.Fatalf("tango %q: exit code %d\n%s", args, code, out)
	}
	return out
}

// record waits for the record of an operation of a container.
func (h *host) record(op, id string) (found telemetry.Record) {
	h.t.Helper()
	h.Eventually("the record of "+op+" "+id, func() bool {
		is := false
		for _, name := range telemetry.RecordFiles(h.runDir) {
			f, err := os.Open(name)
			if err != nil {
				continue
			}
			_, _ = telemetry.Read(f, func(r telemetry.Record) {
				if r.Op == op && r.Container == id {
					found, is = r, true
				}
			})
			_ = f.Close()
		}
		return is
	})
	return found
}

// onHost tells whether something is mounted below a bundle in the host's namespace.
func (h *host) onHost(id string) bool {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		h.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) { // other tests have containers of the same name
		if strings.Contains(line, h.Dir()+"/") && strings.Contains(line, "/"+id+"/rootfs ") {
			return true
		}
	}
	return false
}

func decodeJSON[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return v
}
