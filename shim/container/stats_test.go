package container

import (
	"testing"

	"github.com/containerd/cgroups/v3/cgroup1"
)

// TestV1PathAfterRemoval asks for a group as the watcher for OOM kills does when the
// group is removed: libcontainer is taking the paths out of its map then.
func TestV1PathAfterRemoval(t *testing.T) {
	paths := map[string]string{"memory": "/sys/fs/cgroup/memory/pod/c", "name=systemd": "/sys/fs/cgroup/systemd/pod/c"}
	find := v1Path(paths)
	clear(paths)
	for _, name := range []string{"memory", "systemd"} {
		if got, err := find(cgroup1.Name(name)); err != nil || got != "/pod/c" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if _, err := find("pids"); err == nil {
		t.Error("a controller that the container has not got is found")
	}
}
