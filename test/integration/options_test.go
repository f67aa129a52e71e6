package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/containerd/api/types/runtimeoptions/v1"
	"github.com/containerd/containerd/v2/pkg/oci"

	"tango/test/harness"
)

// TestPipeOwner wants the container's pipes to belong to who the options say. That
// shows in the group alone: libcontainer gives what is a process's standard output
// to its user.
func TestPipeOwner(t *testing.T) {
	h := newNode(t)
	const uid, gid = 1234, 2345
	o := runtimeOptions(t, h, func(o *options.Options) { o.IoUid, o.IoGid = uid, gid })
	c := h.Run(harness.Spec{Options: o})
	for fd := range 3 {
		info, err := os.Stat(fmt.Sprintf("/proc/%d/fd/%d", c.Task.Pid(), fd))
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); fd > 0 && (st.Uid != 0 || st.Gid != gid) {
			t.Errorf("descriptor %d belongs to %d:%d, want 0:%d", fd, st.Uid, st.Gid, gid)
		}
	}
	e := h.Exec(c, harness.ExecSpec{Args: []string{"stat", "-L", "-c", "%u %g", "/proc/self/fd/1"}})
	if code := h.Finish(e); code != 0 || strings.TrimSpace(e.Stdout.String()) != "0 2345" {
		t.Errorf("of a further process it belongs to %q (code %d) %s", e.Stdout, code, e.Stderr)
	}
}

// TestSessionKeyring wants a session keyring of the container's own, unless the
// options say that it keeps the shim's.
func TestSessionKeyring(t *testing.T) {
	if _, err := os.Stat("/proc/keys"); err != nil {
		t.Skip("THE PREMISE IS MISSING: this kernel has no keyrings, so they are NOT tested: ", err)
	}
	h := newNode(t)
	for name, test := range map[string]struct{ keep, want bool }{"new": {false, true}, "kept": {true, false}} {
		t.Run(name, func(t *testing.T) {
			h := h.In(t)
			o := runtimeOptions(t, h, func(o *options.Options) { o.NoNewKeyring = test.keep })
			c := h.Run(harness.Spec{ID: "keeper-" + name, Options: o, OCI: edit(func(s *oci.Spec) { s.Linux.MaskedPaths = nil })})
			if keys := h.Output(c, "cat", "/proc/keys"); strings.Contains(keys, "_ses.keeper-"+name) != test.want {
				t.Errorf("a keyring of its own: want %t, keys\n%s", test.want, keys)
			}
		})
	}
}

// TestNoPivotRoot wants the same root where it is moved instead of pivoted to.
func TestNoPivotRoot(t *testing.T) {
	h := newNode(t)
	o := runtimeOptions(t, h, func(o *options.Options) { o.NoPivotRoot = true })
	c := h.Run(harness.Spec{Options: o})
	expectOutput(t, h, c, "127.0.0.1 localhost", "cat", "/etc/hosts")
	expectOutput(t, h, c, "127.0.0.1 localhost", "cat", "/../../../etc/hosts")
	h.Delete(c)
	h.CheckLeaks()
}

// TestStateDirectory wants libcontainer's state where the options say, and in the
// bundle where they say nothing.
func TestStateDirectory(t *testing.T) {
	h := newNode(t)
	root := filepath.Join(h.Dir(), "elsewhere")
	o := runtimeOptions(t, h, func(o *options.Options) { o.Root = root })
	c := h.Run(harness.Spec{Options: o})
	if _, err := os.Stat(filepath.Join(root, harness.Namespace, c.ID(), "state.json")); err != nil {
		t.Error(err)
	}
	h.Delete(c)
	if left, err := filepath.Glob(filepath.Join(root, harness.Namespace, "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if harness.Runtime(t) == harness.Stock {
		t.Skip("the stock shim keeps its state in /run/containerd/runc otherwise, which is not ours to use")
	}
	o.Root = ""
	c = h.Run(harness.Spec{Options: o})
	if _, err := os.Stat(filepath.Join(bundle(h, c), "state", c.ID(), "state.json")); err != nil {
		t.Error(err)
	}
	h.Delete(c)
	h.CheckLeaks()
}

// bundle is the directory that containerd has made for a container's shim.
func bundle(h *harness.Harness, c *harness.Container) string {
	return filepath.Join(h.Dir(), "state/io.containerd.runtime.v2.task", harness.Namespace, c.ID())
}

// TestOptionsAsTOML gives the options as CRI does: a file's name, or its text.
func TestOptionsAsTOML(t *testing.T) {
	h := newNode(t)
	if harness.Runtime(t) == harness.Stock {
		t.Skip("the stock shim takes its options in no other form than its own")
	}
	file := filepath.Join(h.Dir(), "options.toml")
	write(t, file, "IoGid = 77\n")
	for name, o := range map[string]*runtimeoptions.Options{
		"file": {ConfigPath: file}, "body": {ConfigBody: []byte("IoGid = 77\n")},
	} {
		t.Run(name, func(t *testing.T) {
			h := h.In(t)
			c := h.Run(harness.Spec{Options: o})
			defer h.Delete(c)
			expectOutput(t, h, c, "77", "stat", "-L", "-c", "%g", "/proc/self/fd/1")
		})
	}
	write(t, filepath.Join(h.Dir(), "unknown.toml"), "IoGid = 77\nColour = \"red\"\n")
	write(t, filepath.Join(h.Dir(), "type.toml"), "IoGid = \"seven\"\n")
	for name, words := range map[string][]string{
		"unknown.toml": {"Colour", "unknown.toml", "SystemdCgroup"}, "type.toml": {"IoGid", "type.toml"}, "missing.toml": {"missing.toml"},
	} {
		t.Run(name, func(t *testing.T) {
			h := h.In(t)
			_, err := h.Node.Run(h.Ctx(), harness.Spec{Options: &runtimeoptions.Options{ConfigPath: filepath.Join(h.Dir(), name)}})
			for _, word := range words {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("error %v, want one that says %s", err, word)
				}
			}
		})
	}
	h.CheckLeaks()
}
