package bootstrap

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runc/libcontainer/exeseal"

	"tango/shim/options"
)

func TestNewDaemon(t *testing.T) {
	bundle, runDir := t.TempDir(), t.TempDir()
	t.Chdir(bundle)
	inv := &invocation{binary: "/bin/shim", namespace: "ns", id: "x"}
	d, err := newDaemon(inv, request{id: "x", address: "/run/c.sock", debug: true, options: options.Config{RunDir: runDir, ShimCgroup: "/g"}}, caller{dir: bundle, env: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.exe.File.Close()
	want := []string{"/bin/shim", "-namespace", "ns", "-id", "x", "-address", "/run/c.sock", "-debug"}
	if !slices.Equal(d.role.Args, want) {
		t.Errorf("arguments %q, want %q", d.role.Args, want)
	}
	if d.role.Dir != bundle || d.cgroup != "/g" || !slices.Contains(d.role.Env, runDirEnv+"="+runDir) {
		t.Errorf("daemon %+v", d)
	}
	if !exeseal.IsCloned(d.exe.File) {
		t.Error("the daemon would not run from the sealed copy")
	}
}

func TestJoinCgroup(t *testing.T) {
	if err := joinCgroup("", os.Getpid()); err != nil {
		t.Errorf("no cgroup: %v", err)
	}
	err := joinCgroup("/tango-no-such-group", os.Getpid())
	if err == nil || !strings.Contains(err.Error(), "option ShimCgroup; it must exist") {
		t.Errorf("missing cgroup: %v", err)
	}
}

// Everything below /proc/self is about the first thread; see thread.go.
func TestFirstThreadStaysPut(t *testing.T) {
	self, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	for range 50 {
		go func() {
			task, err := os.Readlink("/proc/thread-self")
			done <- err == nil && strings.HasSuffix(task, "/"+strings.Split(task, "/")[0])
		}()
	}
	for range 50 {
		if <-done {
			t.Error("a goroutine runs on the first thread")
		}
	}
	if now, err := os.Readlink("/proc/self/ns/mnt"); err != nil || now != self {
		t.Errorf("mount namespace %s, %v; want %s", now, err, self)
	}
}
