package cri

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"tango/test/harness"
)

func owner(info os.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }

// lead has the runtime tango lead to another shim, and restarts containerd: what
// `tango install --arm` does.
func (c *cluster) lead(from, to string) {
	c.t.Helper()
	file := filepath.Join(c.Dir(), "config.toml")
	text, err := os.ReadFile(file)
	c.must(err)
	const head = "runtimes.tango]\n  runtime_type = '"
	changed := strings.Replace(string(text), head+from, head+to, 1)
	if changed == string(text) {
		c.t.Fatalf("the runtime tango does not lead to %s", from)
	}
	c.must(os.WriteFile(file, []byte(changed), 0o600))
	c.must(c.Restart(c.Ctx()))
	c.Eventually("CRI is ready", func() bool {
		_, err := c.cri().ListPodSandbox(c.ctx(), &runtimeapi.ListPodSandboxRequest{})
		return err == nil
	})
}

// TestSwitchWithRunningPods takes tango back and puts it in again while pods run: those
// go on, take commands and new containers, and end in order, each on the shim that
// it began with.
func TestSwitchWithRunningPods(t *testing.T) {
	if harness.Runtime(t) == harness.Stock {
		t.Skip("NOT TESTED with -runtime=runc: there is nothing to switch to")
	}
	c := newCluster(t)
	spec, settings := shallowPod(t)
	first := c.newPod(spec, settings)
	first.start()

	c.lead(harness.Tango, harness.Stock)
	second := c.newPod(spec.DeepCopy(), settings)
	second.start()
	c.expectAlive(first, "containerd-shim-tango-v2")
	c.expectAlive(second, "containerd-shim-runc-v2")
	c.replaceHelper(first)

	c.lead(harness.Stock, harness.Tango)
	third := c.newPod(spec.DeepCopy(), settings)
	third.start()
	c.expectAlive(first, "containerd-shim-tango-v2")
	c.expectAlive(second, "containerd-shim-runc-v2")
	c.expectAlive(third, "containerd-shim-tango-v2")
	c.replaceHelper(second)
	first.remove()
	second.remove()
	third.remove()
}

// expectAlive checks that a pod works, on its shim.
func (c *cluster) expectAlive(p *pod, shim string) {
	c.t.Helper()
	if got := c.shimOf(p.id); got != shim {
		c.t.Errorf("the pod is held by %s, want %s", got, shim)
	}
	if code, got := p.exec("server", "cat", "/work/ready"); code != 0 || got != "prepared" {
		c.t.Errorf("the pod's server: code %d, %q", code, got)
	}
}

// replaceHelper starts a container anew in a pod, as after a crash.
func (c *cluster) replaceHelper(p *pod) {
	c.t.Helper()
	helper := p.spec.Spec.Containers[1]
	_, err := c.cri().StopContainer(c.ctx(), &runtimeapi.StopContainerRequest{ContainerId: p.containers[helper.Name]})
	c.must(err)
	p.startContainer(helper, nil)
	p.probe(helper.Name, helper.ReadinessProbe)
}
