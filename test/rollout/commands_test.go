package rollout

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/shim/telemetry"
	"tango/test/harness"
)

func missingSource() []oci.SpecOpts {
	return []oci.SpecOpts{harness.Edit(func(s *oci.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Type: "bind", Source: "/nonsense", Destination: "/mnt", Options: []string{"rbind"}})
	})}
}

// ps is what the test wants of tango ps --json, top of tango top --json.
type ps struct {
	Helpers []helper
	Pods    []struct {
		ID, Namespace string
		Memory        struct{ RSS, PSS uint64 }
		Holds         map[string]int64
		Containers    []struct {
			ID, Arm, Name, Pod string
			Pid, Mounts        int
		}
	}
}

// helper is a process of tango's that is no shim of a pod.
type helper struct {
	Kind string
	Pid  int
}

type top struct {
	Ps    ps
	Stats *telemetry.Snapshot
}

func TestPs(t *testing.T) {
	h := newHost(t)
	c := h.Run(harness.Spec{Options: h.options(tangoOnly), Annotations: map[string]string{
		"io.kubernetes.cri.container-name": "web", "io.kubernetes.cri.sandbox-name": "shop", "io.kubernetes.cri.sandbox-namespace": "prod",
	}})
	h.record(telemetry.OpCreate, c.ID())
	list := decodeJSON[ps](t, h.fine("ps", "--json"))
	if len(list.Pods) != 1 || len(list.Pods[0].Containers) != 1 {
		t.Fatalf("%+v", list)
	}
	pod, container := list.Pods[0], list.Pods[0].Containers[0]
	if pod.ID != c.ID() || pod.Namespace != harness.Namespace || pod.Memory.PSS == 0 || pod.Memory.RSS < pod.Memory.PSS || pod.Holds == nil {
		t.Errorf("%+v", pod)
	}
	if container.ID != c.ID() || container.Pid != int(c.Task.Pid()) || container.Arm != "tango" || container.Name != "web" || container.Pod != "prod/shop" || container.Mounts < 5 {
		t.Errorf("%+v", container)
	}
	if text := h.fine("ps"); !strings.Contains(text, "prod/shop:web") || !strings.Contains(text, "1 shim, 1 container") {
		t.Error(text)
	}
	h.Kill(c, syscall.SIGKILL)
	h.Wait(c)
	if text := h.fine("ps"); !strings.Contains(text, "ended") {
		t.Error(text)
	}
}

func TestStatsAndTop(t *testing.T) {
	h := newHost(t)
	c := h.Run(harness.Spec{Options: h.options(tangoOnly)})
	h.record(telemetry.OpStart, c.ID())
	s := decodeJSON[telemetry.Snapshot](t, h.fine("stats", "--json"))
	if s.Records < 2 || len(s.Phases) < 8 {
		t.Errorf("%+v", s)
	}
	text := h.fine("stats")
	for _, want := range []string{"create.rootfs", "create.total", "start.release", "calls.mount", "MEDIAN"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	out := h.fine("top", "--json", "--count", "2", "--interval", "100ms")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 2 {
		t.Errorf("%d lines", len(lines))
	} else if last := decodeJSON[top](t, lines[1]); len(last.Ps.Pods) != 1 || last.Stats == nil {
		t.Errorf("%+v", last)
	}
	if text := h.fine("top", "--count", "1"); !strings.Contains(text, "create") {
		t.Error(text)
	}
}

func TestExporter(t *testing.T) {
	h := newHost(t)
	c := h.Run(harness.Spec{Options: h.options(tangoOnly)})
	h.record(telemetry.OpStart, c.ID())
	socket := filepath.Join(t.TempDir(), "metrics.sock")
	cmd := exec.CommandContext(h.Ctx(), h.tango, "exporter", "--run-dir", h.runDir, "--listen", "unix:"+socket)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	text := ""
	h.Eventually("the exporter answers", func() bool {
		resp, err := client.Get("http://tango/metrics")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		text = string(body)
		return err == nil && resp.StatusCode == http.StatusOK
	})
	for _, want := range []string{
		"tango_up 1", `tango_operations_total{arm="tango",op="create",result="ok",way="`, `tango_phase_seconds_bucket{arm="tango",op="create",phase="rootfs",le="`,
		`tango_mount_calls_total{arm="tango",call="mount"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
