package integration

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"golang.org/x/sys/unix"

	"tango/test/harness"
	"tango/test/images"
)

// slowGroup makes a cgroup whose processes get a millisecond of CPU time and then
// wait for nineteen: what a shim in it does for a moment only can be seen, and met.
func slowGroup(t *testing.T, name string) string {
	t.Helper()
	const quota, period = "1000", "20000" // in microseconds
	group := fmt.Sprintf("/tango-slow-%s-%d", name, os.Getpid())
	groupFor(t, group)
	slowed := false
	for _, dir := range groupDirs(t, group) {
		if os.WriteFile(filepath.Join(dir, "cpu.max"), []byte(quota+" "+period), 0o644) == nil {
			slowed = true
		}
		if os.WriteFile(filepath.Join(dir, "cpu.cfs_period_us"), []byte(period), 0o644) == nil &&
			os.WriteFile(filepath.Join(dir, "cpu.cfs_quota_us"), []byte(quota), 0o644) == nil {
			slowed = true
		}
	}
	if !slowed {
		t.Log("nothing here can slow a shim down: it may be too fast to be caught")
	}
	return group
}

// layerNode is a containerd whose mounts of layers on the host are looked at.
type layerNode struct {
	*harness.Node
	t       *testing.T
	runtime string
	image   containerd.Image
}

// bothLeave asks how many mounts of layers the stock shim, and tango, leave on the
// host. The former leaves cgroups, too: its node is one that nobody wants clean.
func bothLeave(t *testing.T, ask func(*layerNode) int) (stock, tango int) {
	t.Helper()
	h := harness.New(t, harness.Options{Runtime: harness.Tango})
	tango = ask(newLayerNode(t, h.Node, harness.Tango))
	h.CheckLeaks()
	other, err := harness.Start(h.Ctx(), harness.Options{Runtime: harness.Stock})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	stock = ask(newLayerNode(t, other, harness.Stock))
	t.Logf("the stock shim has left %d mounts of layers, tango %d", stock, tango)
	return stock, tango
}

// newLayerNode runs a container once, which maps the image for the others.
func newLayerNode(t *testing.T, node *harness.Node, runtime string) *layerNode {
	t.Helper()
	image, err := node.Image(t.Context(), images.Config{Layers: 30})
	if err != nil {
		t.Fatal(err)
	}
	n := &layerNode{Node: node, t: t, runtime: runtime, image: image}
	c, err := n.Run(t.Context(), harness.Spec{Image: image, UserNS: harness.NthUserNS(1)})
	if err == nil {
		err = c.Delete(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// create makes a container by a shim in a cgroup, and calls met as soon as layers
// are mounted on the host, if they ever are.
func (n *layerNode) create(group string, met func(targets []string)) *harness.Container {
	n.t.Helper()
	o, err := n.RuntimeOptions(n.runtime)
	if err != nil {
		n.t.Fatal(err)
	}
	o.ShimCgroup = group
	c, err := n.New(n.t.Context(), harness.Spec{Image: n.image, UserNS: harness.NthUserNS(1), Options: o})
	if err != nil {
		n.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.CreateTask(n.t.Context()) }()
	for len(done) == 0 {
		// No pause: the stock shim has the mounts for milliseconds only.
		if targets := n.layerMounts(); len(targets) > 0 {
			met(targets)
			break
		}
	}
	<-done // an error, or not: who was met may have been killed
	return c
}

// killInCreate kills the shim as soon as layers are mounted on the host, if they
// ever are, and returns how many of those mounts stay. They are taken away.
func (n *layerNode) killInCreate(group string) int {
	n.t.Helper()
	return n.left(n.create(group, func([]string) { killGroup(n.t, group) }))
}

// killGroup kills the processes of a cgroup, at once: there is no time to look for
// a shim among all processes.
func killGroup(t *testing.T, group string) {
	t.Helper()
	for _, dir := range groupDirs(t, group) {
		data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range strings.Fields(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil {
				_ = unix.Kill(pid, unix.SIGKILL) // it may have ended by itself
			}
		}
	}
}

// holdInCreate has a directory of the layers open from when they are mounted on the
// host, if they ever are, until the container is deleted, and returns how many of
// those mounts stay. They are taken away.
func (n *layerNode) holdInCreate(group string) int {
	n.t.Helper()
	var held []*os.File
	left := n.left(n.create(group, func(targets []string) {
		for _, target := range targets {
			if f, err := os.Open(target); err == nil {
				held = append(held, f)
			}
		}
	}))
	for _, f := range held {
		_ = f.Close()
	}
	return left
}

// left deletes a container and returns how many mounts of layers are on the host
// then. They are taken away.
func (n *layerNode) left(c *harness.Container) int {
	n.t.Helper()
	for c.Delete(n.t.Context()) != nil {
		time.Sleep(10 * time.Millisecond) // containerd has yet to see that the shim is lost
	}
	mounts := n.layerMounts()
	for _, m := range mounts {
		if err := unix.Unmount(m, unix.MNT_DETACH); err != nil {
			n.t.Error(err)
		}
	}
	removeEmpty(n.t, filepath.Join(n.Dir(), "tmp"))
	return len(mounts)
}

// layerMounts are the mounts of layers on the host: those below the node's
// temporary directory.
func (n *layerNode) layerMounts() (targets []string) {
	n.t.Helper()
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // an overlay's options can be long
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); strings.HasPrefix(fields[4], filepath.Join(n.Dir(), "tmp")+"/") {
			targets = append(targets, fields[4])
		}
	}
	return targets
}

// removeEmpty removes the empty directories below one: mount points, and where
// they were. It goes into nothing that has files.
func removeEmpty(t *testing.T, dir string) {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		at := filepath.Join(dir, name.Name())
		removeEmpty(t, at)
		if err := unix.Rmdir(at); err != nil {
			t.Fatal(err)
		}
	}
}
