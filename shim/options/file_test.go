package options

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// checkRoundTrip saves and loads c.
func checkRoundTrip(t *testing.T, c Config) {
	t.Helper()
	bundle := t.TempDir()
	if err := Save(bundle, c); err != nil {
		t.Fatal(err)
	}
	if got, err := Load(bundle); err != nil || got != c {
		t.Fatalf("got %+v, %v\nwant %+v", got, err, c)
	}
}

func TestSaveAndLoad(t *testing.T) {
	checkRoundTrip(t, defaults)
	checkRoundTrip(t, full)
	bundle := t.TempDir()
	for _, c := range []Config{full, {}, full} {
		if err := Save(bundle, c); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(bundle)
	if err != nil || len(entries) != 1 {
		t.Fatalf("the bundle has %v, %v", entries, err)
	}
	info, err := entries[0].Info()
	if err != nil || info.Mode() != 0o600 || info.Name() != "options.json" {
		t.Fatalf("%v %v, %v", info.Name(), info.Mode(), err)
	}
}

func TestLoadNothing(t *testing.T) {
	if c, err := Load(t.TempDir()); err != nil || c != defaults {
		t.Fatalf("%+v, %v", c, err)
	}
	if c, err := Load(filepath.Join(t.TempDir(), "gone")); err != nil || c != defaults {
		t.Fatalf("%+v, %v", c, err)
	}
}

// TestLoadOther reads what an older and a newer shim wrote.
func TestLoadOther(t *testing.T) {
	for text, want := range map[string]Config{
		`{"SystemdCgroup":true}`:        {SystemdCgroup: true},
		`{"Root":"/x","Future":[1,2]}`:  {Root: "/x"},
		`{"Way":"options","RunDir":""}`: {Way: WayOptions},
	} {
		bundle := t.TempDir()
		if err := os.WriteFile(filepath.Join(bundle, fileName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := Load(bundle); err != nil || c != want.withDefaults() {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
}

func TestLoadBroken(t *testing.T) {
	bundle := t.TempDir()
	path := filepath.Join(bundle, fileName)
	if err := os.WriteFile(path, []byte(`{"Root":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(bundle); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("got %v", err)
	}
}

func TestSaveNowhere(t *testing.T) {
	err := Save(filepath.Join(t.TempDir(), "gone"), full)
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "cannot save runtime options: ") {
		t.Fatalf("got %v", err)
	}
}

// TestStrings relies on what keeps JSON from losing anything: both forms of
// options refuse text that is not UTF-8.
func TestStrings(t *testing.T) {
	bad := "Root = '/\xff'"
	if utf8.ValidString(bad) {
		t.Fatal("premise")
	}
	if _, err := fromTOML("test", []byte(bad)); err == nil {
		t.Fatal("invalid UTF-8 was taken")
	}
}
