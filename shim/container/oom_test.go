package container

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// kills counts what is told of kills.
type kills struct{ told chan string }

func (k *kills) Exited(ExitEvent)      {}
func (k *kills) OutOfMemory(id string) { k.told <- id }

// eventfds counts this process's.
func eventfds(t *testing.T) (n int) {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, _ := os.Readlink(link); strings.HasSuffix(target, "[eventfd]") {
			n++
		}
	}
	return n
}

// TestOOMWatchEndsWithItsGroup removes groups that are watched: a shim that serves a
// pod for months must not keep a descriptor of each container that it had.
func TestOOMWatchEndsWithItsGroup(t *testing.T) {
	if cgroups.Mode() == cgroups.Unified {
		t.Skip("cgroup v2 only: there are no eventfds to watch on this machine")
	}
	k := &kills{told: make(chan string, 100)}
	w := newOOMWatchers(t.Context(), k)
	before := eventfds(t)
	for i := range 20 {
		path := cgroup1.StaticPath(fmt.Sprintf("/tango-oom-test-%d-%d", os.Getpid(), i))
		group, err := cgroup1.New(path, &specs.LinuxResources{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.watchV1("c", group); err != nil {
			t.Error(err)
		}
		if err := group.Delete(); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); eventfds(t) > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d eventfds are left, were %d", eventfds(t), before)
		}
	}
	if len(k.told) > 0 {
		t.Errorf("%d kills are told of that there were not", len(k.told))
	}
}
