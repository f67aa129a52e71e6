package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// control is the directory through which package mounts/fault is told.
type control string

func newControl(dir string) (control, error) {
	for _, name := range []string{"armed", "fired", "seen"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return "", err
		}
	}
	return control(dir), nil
}

// arm has the point go wrong once, after skip passages. Somebody may be passing just
// now: it is armed in one step.
func (c control) arm(name, kind string, skip string) error {
	path := filepath.Join(string(c), name)
	if err := os.WriteFile(path, []byte(kind+" "+skip), 0o600); err != nil {
		return err
	}
	return os.Rename(path, filepath.Join(string(c), "armed", name))
}

// names lists one of the directories.
func (c control) names(dir string) map[string]bool {
	entries, _ := os.ReadDir(filepath.Join(string(c), dir))
	names := make(map[string]bool)
	for _, e := range entries {
		names[e.Name()] = true
	}
	return names
}

// disarm takes back what is armed.
func (c control) disarm() {
	for name := range c.names("armed") {
		_ = os.Remove(filepath.Join(string(c), "armed", name))
	}
}

// strike is a fault that has happened.
type strike struct{ point, kind string }

// unreached are the points between the making of a shim's socket and containerd's
// connection to it.
var unreached = []string{
	"bootstrap.sealed", "bootstrap.spawn", "bootstrap.register", "serve.begin", "serve.publisher",
	"relay.asked", "relay.answered",
}

// killedBefore tells whether a process was killed that had the socket of a shim which
// containerd had not reached yet.
func (c control) killedBefore() bool {
	for name := range c.names("fired") {
		_, at, _ := strings.Cut(name, "-")
		what, _ := os.ReadFile(filepath.Join(string(c), "fired", name))
		if strings.HasPrefix(string(what), kill) && slices.Contains(unreached, at) {
			return true
		}
	}
	return false
}

// collect returns what has happened since it was last asked. A fault that is still to
// skip somebody, or is just being written, has not.
func (c control) collect() (all []strike) {
	for name := range c.names("fired") {
		path := filepath.Join(string(c), "fired", name)
		what, _ := os.ReadFile(path)
		kind, skip, _ := strings.Cut(strings.TrimSpace(string(what)), " ")
		_, at, _ := strings.Cut(name, "-")
		if os.Remove(path) == nil && kind != "" && (skip == "" || skip == "0") {
			all = append(all, strike{point: at, kind: kind})
		}
	}
	return all
}
