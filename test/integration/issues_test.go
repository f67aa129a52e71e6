package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tango/test/harness"
)

// What users have asked of containerd and the stock shim. Each test shows what the
// stock shim does as well, whatever -runtime is.

// TestOptionsPastAPage is containerd issue 12662: the options of an overlay mount
// are longer than a page, also after the stock shim has taken the common parent off
// each layer's path. 500 layers, the most there can be, take 3,400 bytes then, and
// need what a deep directory adds in upperdir and workdir; a deeper one does it with
// fewer layers, which are faster to make.
func TestOptionsPastAPage(t *testing.T) {
	t.Parallel()
	deep := filepath.Join(t.TempDir(), strings.Repeat("/"+strings.Repeat("d", 150), 12))
	if err := os.MkdirAll(deep, 0o711); err != nil {
		t.Fatal(err)
	}
	h := harness.New(t, harness.Options{Config: fmt.Sprintf("[plugins.'io.containerd.snapshotter.v1.overlayfs']\nroot_path = %q\n", deep)})
	image := h.Image(120)
	stock, tango := both(t, func(runtime string) string {
		c, err := h.Node.Run(h.Ctx(), harness.Spec{Image: image, Runtime: runtime})
		if err != nil {
			return err.Error()
		}
		defer h.Delete(c)
		return trimmed(h, c, "cat", "/etc/hosts")
	})
	if !strings.Contains(stock, "mount options is too long") {
		t.Errorf("the stock shim has changed: it says %q", stock)
	}
	if tango != "127.0.0.1 localhost" {
		t.Errorf("tango's container says %q", tango)
	}
}

// TestKilledWhileRootIsMade is containerd issues 12139 and 10704: a shim that is
// killed while it mounts the root filesystem of a container with a user namespace
// leaves id-mapped mounts of the image's layers on the host, for good, and whoever
// clears that temporary directory clears the image. With tango there is no moment
// at which the host has such a mount.
func TestKilledWhileRootIsMade(t *testing.T) {
	t.Parallel()
	slow := slowGroup(t, "killed")
	stock, tango := bothLeave(t, func(n *layerNode) int {
		left := 0
		for i := 0; i < 3 && left == 0; i++ {
			left = n.killInCreate(slow)
		}
		return left
	})
	if tango > 0 {
		t.Errorf("%d mounts of layers are left on the host", tango)
	}
	if stock == 0 {
		t.Log("THE PREMISE IS MISSING: the stock shim was not caught while it mounted, so the difference is NOT shown")
	}
}

// TestLayersInUse is the other half of containerd issues 12139 and 10704: somebody,
// a scanner or a backup, has a file of the layers open by way of the id-mapped mount
// that the stock shim has on the host while it mounts. It cannot take the mount away
// then, says so in its log, and leaves it.
func TestLayersInUse(t *testing.T) {
	t.Parallel()
	slow := slowGroup(t, "in-use")
	stock, tango := bothLeave(t, func(n *layerNode) int { return n.holdInCreate(slow) })
	if tango > 0 {
		t.Errorf("%d mounts of layers are left on the host", tango)
	}
	if stock == 0 {
		t.Log("THE PREMISE IS MISSING: the stock shim was not caught while it mounted, so the difference is NOT shown")
	}
}

// TestProcessInTheRootfs is containerd issues 4020 and 11376: a process of the host
// has its working directory in the container's root, by way of the bundle, and keeps
// the stock shim from deleting the container. With tango that directory is empty on
// the host, and the bundle goes with the container.
func TestProcessInTheRootfs(t *testing.T) {
	h := newNode(t)
	stock, tango := both(t, func(runtime string) string {
		c := h.Run(harness.Spec{Runtime: runtime})
		defer h.Delete(c)
		defer sitIn(t, filepath.Join(bundle(h, c), "rootfs"))()
		h.Kill(c, syscall.SIGKILL)
		h.Wait(c)
		_, err := c.Task.Delete(h.Ctx())
		return plain(err)
	})
	if !strings.Contains(stock, "device or resource busy") {
		t.Errorf("the stock shim has changed: it says %q", stock)
	}
	if tango != plain(nil) {
		t.Errorf("tango says %q", tango)
	}
	h.CheckLeaks()
}

// sitIn starts a process of the host in a directory; leave ends it.
func sitIn(t *testing.T, dir string) (leave func()) {
	t.Helper()
	process := exec.Command("sleep", "100000")
	process.Dir = dir
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = process.Process.Kill()
		_ = process.Wait() // an error: it was killed
	}
}
