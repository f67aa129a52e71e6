package container

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/cgroups/manager"
	"golang.org/x/sys/unix"

	"tango/shim/options"
)

// TestCleanUpsTakeTurns: who cleans up waits for who is at it already.
func TestCleanUpsTakeTurns(t *testing.T) {
	bundle := t.TempDir()
	other, err := os.Open(bundle)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	cleaned := make(chan error, 1)
	go func() {
		_, err := CleanUp(t.Context(), "id", "namespace", bundle)
		cleaned <- err
	}()
	for !awaited(t, bundle) {
		select {
		case err := <-cleaned:
			t.Fatalf("cleaned up, %v, while somebody else did", err)
		case <-time.After(time.Millisecond):
		}
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-cleaned; err != nil {
		t.Error(err)
	}
}

// awaited tells whether somebody waits for a lock on the file (proc_locks(5)).
func awaited(t *testing.T, path string) bool {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Fatal(err)
	}
	inode := fmt.Sprintf(":%d ", info.Sys().(*syscall.Stat_t).Ino)
	for line := range strings.Lines(string(locks)) {
		if strings.Contains(line, "-> FLOCK") && strings.Contains(line, inode) {
			return true
		}
	}
	return false
}

// TestLostIsToldAlike: whoever asks again how a killed container has ended is told
// what the first was.
func TestLostIsToldAlike(t *testing.T) {
	bundle := t.TempDir()
	first := howItEnded(t.Context(), bundle, 42)
	again := howItEnded(t.Context(), bundle, 0)
	if first.Pid != 42 || first.Exit.Status != 137 || again.Pid != 42 || again.Exit.Status != 137 || !again.Exit.At.Equal(first.Exit.At) {
		t.Errorf("%+v, and then %+v", first, again)
	}
	if none := howItEnded(t.Context(), t.TempDir(), 0); none.Pid != 0 || none.Exit.Status != 137 {
		t.Errorf("without a process: %+v", none)
	}
}

// TestHalfMadeCgroup: of a cgroup that was made in some hierarchies only, when the shim
// was killed, nothing is left in any.
func TestHalfMadeCgroup(t *testing.T) {
	bundle, id := t.TempDir(), "half"
	spec := plainSpec()
	spec.Linux.CgroupsPath = fmt.Sprintf("/tango-test-%d/%s", os.Getpid(), id)
	data, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.WriteFile(filepath.Join(bundle, "config.json"), data, 0o600),
		os.MkdirAll(filepath.Join(bundle, "state", id), 0o700), // libcontainer has begun
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	config, err := newConfig(id, bundle, spec, options.Config{})
	if err != nil {
		t.Fatal(err)
	}
	cg, err := manager.New(config.Cgroups)
	if err != nil {
		t.Fatal(err)
	}
	for controller, path := range cg.GetPaths() {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Rmdir(filepath.Dir(path)) })
		if _, err := CleanUp(t.Context(), id, "namespace", bundle); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("the cgroup is left where only %q has one", controller)
			_ = unix.Rmdir(path)
		}
		if err := os.MkdirAll(filepath.Join(bundle, "state", id), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFirstProcessCannotBeExecuted: its root is no directory, as is the one of a bundle
// that containerd has removed meanwhile. Nothing is left, the shim least of all ended.
func TestFirstProcessCannotBeExecuted(t *testing.T) {
	bundle, spec := t.TempDir(), plainSpec()
	if err := os.WriteFile(filepath.Join(bundle, "rootfs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := newConfig("first", bundle, spec, options.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProcess(spec.Process)
	if err != nil {
		t.Fatal(err)
	}
	p.Init = true
	c := &creation{Container: newContainer(&Runtime{}, CreateRequest{ID: "first", Namespace: "ns", Bundle: bundle}), config: config}
	if err := c.startFirst(p); err == nil || !strings.Contains(err.Error(), "unable to start init") {
		t.Fatalf("started: %v", err)
	}
	c.rollBack()
	if !isGone(c.stateRoot(), c.ID) {
		t.Error("libcontainer's state is left")
	}
}
