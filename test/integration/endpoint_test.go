package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	containerd "github.com/containerd/containerd/v2/client"
	corebox "github.com/containerd/containerd/v2/core/sandbox"

	"tango/test/harness"
)

// TestTaskAPIEndpoint wants a container served by the shim whose address its options
// give (TaskApiAddress, TaskApiVersion), as a sandbox's are: no shim is started.
func TestTaskAPIEndpoint(t *testing.T) {
	h := newNode(t)
	sandbox := h.Run(harness.Spec{ID: "sandbox"})
	data, err := os.ReadFile(filepath.Join(bundle(h, sandbox), "bootstrap.json"))
	if err != nil {
		t.Fatal(err)
	}
	var shim struct {
		Version           uint32
		Address, Protocol string
	}
	if err := json.Unmarshal(data, &shim); err != nil {
		t.Fatal(err)
	}
	store := h.Client().SandboxStore()
	if _, err := store.Create(h.Ctx(), corebox.Sandbox{ID: "pod", Runtime: corebox.RuntimeOpts{Name: harness.Runtime(t)}}); err != nil {
		t.Fatal(err)
	}
	guest := h.Run(harness.Spec{ID: "guest", New: []containerd.NewContainerOpts{containerd.WithSandbox("pod")}, Task: []containerd.NewTaskOpts{
		containerd.WithTaskAPIEndpoint(shim.Protocol+"+"+shim.Address, shim.Version),
	}})
	theShim(t, h)
	expectOutput(t, h, guest, "alive", "echo", "alive")
	h.Kill(guest, syscall.SIGKILL)
	if code := h.Wait(guest); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
	h.Delete(guest)
	if err := store.Delete(h.Ctx(), "pod"); err != nil {
		t.Error(err)
	}
	expectOutput(t, h, sandbox, "alive", "echo", "alive")
	h.Delete(sandbox)
	h.CheckLeaks()
}
