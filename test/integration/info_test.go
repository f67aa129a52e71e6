package integration

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go/features"

	"tango/test/harness"
)

// featuresOf asks containerd what a runtime can do, which asks the shim.
func featuresOf(t *testing.T, h *harness.Harness, runtime string) *features.Features {
	t.Helper()
	o, err := h.RuntimeOptions(runtime)
	if err != nil {
		t.Fatal(err)
	}
	info, err := h.Client().RuntimeInfo(h.Ctx(), runtime, o)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := info.Features.(*features.Features)
	if !ok {
		t.Fatalf("features of type %T", info.Features)
	}
	return f
}

// TestRuntimeInfo wants both runtimes to claim the same: the same libcontainer
// does it. What is claimed, other tests show.
func TestRuntimeInfo(t *testing.T) {
	h := newNode(t)
	stock, tango := featuresOf(t, h, harness.Stock), featuresOf(t, h, harness.Tango)
	for name := range stock.Annotations {
		if _, ok := tango.Annotations[name]; !ok && !strings.Contains(name, "runc.version") && !strings.Contains(name, "runc.commit") {
			t.Errorf("annotation %s is missing", name)
		}
	}
	stock.Annotations, tango.Annotations = nil, nil
	if !reflect.DeepEqual(stock, tango) {
		t.Errorf("tango claims\n%s\nrunc claims\n%s", text(t, tango), text(t, stock))
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
