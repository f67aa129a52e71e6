package integration

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tango/deploy"
	"tango/test/harness"
)

// unitDir is where units go that end with the boot.
const unitDir = "/run/systemd/system"

// TestUnits starts the packaged units under systemd, as they are but for where the
// program is: the socket starts the mount service when somebody comes, and the
// exporter serves metrics, in their sandboxes.
func TestUnits(t *testing.T) {
	if _, err := os.Stat(unitDir); err != nil || os.Getenv("TANGO_GUEST") == "" {
		t.Skip("THE PREMISE IS MISSING: this is no virtual machine of the matrix with systemd, so the units are NOT started: ", err)
	}
	h := newNode(t)
	tango, err := h.Tool("tango")
	if err != nil {
		t.Fatal(err)
	}
	installUnits(t, tango)
	systemctl(t, "start", "tango-mounts.socket", "tango-exporter.service")
	t.Cleanup(func() { systemctl(t, "stop", "tango-exporter.service", "tango-mounts.socket", "tango-mounts.service") })

	conn, err := net.Dial("unixpacket", "/run/tango/mounts/mount.v1.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	h.Eventually("the socket has started the mount service", func() bool { return isActive("tango-mounts.service") })
	h.Eventually("the exporter answers", func() bool {
		body, err := get(h.Ctx(), "http://127.0.0.1:9788/metrics")
		return err == nil && strings.Contains(body, "tango_")
	})
	// Where everything is under systemd, containers run as ever.
	c := h.Run(harness.Spec{UserNS: harness.NthUserNS(0)})
	h.Delete(c)
	for _, unit := range []string{"tango-mounts.socket", "tango-mounts.service", "tango-exporter.service"} {
		if !isActive(unit) {
			out, _ := exec.Command("systemctl", "status", "--no-pager", unit).CombinedOutput()
			t.Errorf("%s is not active:\n%s", unit, out)
		}
	}
}

// installUnits writes the units for this boot.
func installUnits(t *testing.T, tango string) {
	t.Helper()
	entries, err := deploy.Systemd.ReadDir("systemd")
	if err != nil || len(entries) == 0 {
		t.Fatalf("no units: %v", err)
	}
	for _, e := range entries {
		unit, err := deploy.Systemd.ReadFile("systemd/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		here := strings.ReplaceAll(string(unit), "ExecStart=tango ", "ExecStart="+tango+" ")
		at := filepath.Join(unitDir, e.Name())
		if err := os.WriteFile(at, []byte(here), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(at) })
	}
	for _, e := range entries { // when all are there, since they name each other
		verify := exec.Command("systemd-analyze", "verify", "--man=no", filepath.Join(unitDir, e.Name()))
		if out, err := verify.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", e.Name(), err, out)
		}
	}
	systemctl(t, "daemon-reload")
}

func systemctl(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("systemctl", args...).CombinedOutput(); err != nil {
		t.Errorf("systemctl %v: %v\n%s", args, err, out)
	}
}

func isActive(unit string) bool {
	return exec.Command("systemctl", "is-active", "--quiet", unit).Run() == nil
}

func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}
