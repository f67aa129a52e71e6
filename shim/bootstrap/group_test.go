package bootstrap

import (
	"os"
	"strings"
	"testing"
)

// inBundle makes a bundle with this config.json and goes there.
func inBundle(t testing.TB, config string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/config.json", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
}

func TestGroupOf(t *testing.T) {
	tests := []struct{ name, config, group string }{
		{"none", `{}`, "id"},
		{"no such annotation", `{"annotations":{"a":"b"}}`, "id"},
		{"pod", `{"annotations":{"io.kubernetes.cri.sandbox-id":"pod"}}`, "pod"},
		{"runc's group before the pod", `{"annotations":{"io.kubernetes.cri.sandbox-id":"pod","io.containerd.runc.v2.group":"g"}}`, "g"},
		{"tango's before all", `{"annotations":{"io.kubernetes.cri.sandbox-id":"pod","io.containerd.runc.v2.group":"g","io.containerd.tango.v2.group":"t"}}`, "t"},
		{"an empty one counts", `{"annotations":{"io.containerd.runc.v2.group":"","io.kubernetes.cri.sandbox-id":"pod"}}`, ""},
		{"null", `null`, "id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBundle(t, tt.config)
			if got, err := groupOf(".", "id"); err != nil || got != tt.group {
				t.Errorf("got %q, %v; want %q", got, err, tt.group)
			}
		})
	}
}

func TestGroupOfFails(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := groupOf(".", "id"); err == nil || !strings.Contains(err.Error(), "cannot read the OCI spec") {
		t.Errorf("without a spec: %v", err)
	}
	for _, config := range []string{"", "{", `{"annotations":[]}`, `{"annotations":{"a":1}}`} {
		inBundle(t, config)
		if _, err := groupOf(".", "id"); err == nil || !strings.Contains(err.Error(), "cannot decode the OCI spec") {
			t.Errorf("%q: %v", config, err)
		}
	}
}

func FuzzGroupOf(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"annotations":{"io.kubernetes.cri.sandbox-id":"pod"}}`))
	f.Add([]byte(`{"annotations":null}`))
	f.Add([]byte(`[`))
	inBundle(f, "")
	f.Fuzz(func(t *testing.T, config []byte) {
		if err := os.WriteFile("config.json", config, 0o600); err != nil {
			t.Fatal(err)
		}
		group, err := groupOf(".", "id")
		if err != nil && group != "" {
			t.Errorf("group %q with an error", group)
		}
	})
}
