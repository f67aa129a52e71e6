package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// hook is a host program that notes, in files named for the hook, its turn, its
// mount namespace and the state that it is given.
func hook(name, dir string) specs.Hook {
	script := fmt.Sprintf(`echo %[1]s >> %[2]s/order; readlink /proc/self/ns/mnt > %[2]s/%[1]s.ns; cat > %[2]s/%[1]s.state`, name, dir)
	return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

// TestHooks runs all six kinds and wants them in order, with the right state,
// and those of the runtime's namespace to see the host's mounts.
func TestHooks(t *testing.T) {
	for name, mapping := range map[string]*harness.UserNS{"plain": nil, "userns": harness.NthUserNS(6)} {
		t.Run(name, func(t *testing.T) {
			h := newNode(t)
			dir := hostDir(t, h, "hooks")
			order := filepath.Join(dir, "order")
			write(t, order, "")
			if err := os.Chmod(order, 0o666); err != nil { // hooks inside a user namespace are nobody here
				t.Fatal(err)
			}
			c := h.Run(harness.Spec{ID: "hooked", UserNS: mapping, OCI: edit(func(s *oci.Spec) {
				s.Mounts = append(s.Mounts, bind(dir, "/hooks"))
				s.Hooks = &specs.Hooks{
					Prestart:        []specs.Hook{hook("prestart", dir)},
					CreateRuntime:   []specs.Hook{hook("createRuntime", dir)},
					CreateContainer: []specs.Hook{hook("createContainer", dir)},
					StartContainer:  []specs.Hook{hook("startContainer", "/hooks")},
					Poststart:       []specs.Hook{hook("poststart", dir)},
					Poststop:        []specs.Hook{hook("poststop", dir)},
				}
			})})
			inside := trimmed(h, c, "readlink", "/proc/self/ns/mnt")
			h.Eventually("the hook that start doesn't wait for has read its state", func() bool {
				state, _ := os.ReadFile(filepath.Join(dir, "startContainer.state")) // not there yet: not valid
				return json.Valid(state)
			})
			h.Delete(c)
			checkHooks(t, h, dir, inside)
		})
	}
}

func checkHooks(t *testing.T, h *harness.Harness, dir, inside string) {
	t.Helper()
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		return strings.TrimSpace(string(data))
	}
	h.Eventually("the last hook has run", func() bool { return strings.Contains(read("order"), "poststop") })
	// runc runs startContainer and poststart at the same time.
	got := strings.Replace(strings.Join(strings.Fields(read("order")), " "), "poststart startContainer", "startContainer poststart", 1)
	if want := "prestart createRuntime createContainer startContainer poststart poststop"; got != want {
		t.Errorf("order %q, want %q", got, want)
	}
	host, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	for name, namespace := range map[string]string{
		"prestart": host, "createRuntime": host, "createContainer": inside,
		"startContainer": inside, "poststart": host, "poststop": host,
	} {
		if got := read(name + ".ns"); got != namespace {
			t.Errorf("%s ran in %s, want %s (the host's is %s)", name, got, namespace, host)
		}
		var state specs.State
		if err := json.Unmarshal([]byte(read(name+".state")), &state); err != nil {
			t.Errorf("state given to %s: %v", name, err)
		}
		if state.ID != "hooked" || state.Bundle == "" || state.Pid == 0 && name != "poststop" {
			t.Errorf("state given to %s: %+v", name, state)
		}
	}
}

// TestHookFails wants a hook's failure to end the container's start and to show
// what the hook wrote.
func TestHookFails(t *testing.T) {
	h := newNode(t)
	failing := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "echo out of tune >&2; exit 3"}}
	for name, hooks := range map[string]*specs.Hooks{
		"prestart":        {Prestart: []specs.Hook{failing}},
		"createRuntime":   {CreateRuntime: []specs.Hook{failing}},
		"createContainer": {CreateContainer: []specs.Hook{failing}},
	} {
		t.Run(name, func(t *testing.T) {
			h := h.In(t)
			_, err := h.Node.Run(h.Ctx(), harness.Spec{OCI: edit(func(s *oci.Spec) { s.Hooks = hooks })})
			if err == nil || !strings.Contains(err.Error(), "out of tune") {
				t.Errorf("error %v, want one with the hook's words", err)
			}
			h.CheckLeaks()
		})
	}
	t.Run("startContainer", func(t *testing.T) {
		h := h.In(t)
		c, err := h.Node.Run(h.Ctx(), harness.Spec{OCI: edit(func(s *oci.Spec) {
			s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{failing}}
		})})
		if err != nil { // a runtime may report it at once
			h.CheckLeaks()
			return
		}
		if code := h.Wait(c); code == 0 {
			t.Error("the container went on and ended with code 0")
		}
		h.Delete(c)
		h.CheckLeaks()
	})
}

// TestHookTimeout wants a hook that does not end to be ended.
func TestHookTimeout(t *testing.T) {
	h := newNode(t)
	slow := specs.Hook{Path: "/bin/sleep", Args: []string{"sleep", "1000"}, Timeout: pointer(1)}
	_, err := h.Node.Run(h.Ctx(), harness.Spec{OCI: edit(func(s *oci.Spec) {
		s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{slow}}
	})})
	if err == nil {
		t.Error("the container runs")
	}
	h.CheckLeaks()
}
