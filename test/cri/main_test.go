// Package cri runs pods as kubelet does: through the Kubernetes interface of a real
// containerd (CRI), with containers of a pod in its user namespace, volumes mapped
// into it, a network by a CNI plugin, probes by ExecSync. The example pods in
// deploy/kubernetes are what is run.
//
// It is no test of Kubernetes: nothing is scheduled, and of a pod's fields the few
// are understood that the examples use. Any other is an error.
package cri

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"tango/test/harness"
	"tango/test/images"
)

func TestMain(m *testing.M) { harness.Main(m) }

// pauseImage is what holds a pod's namespaces.
var pauseImage = images.Config{Name: "tango.test/pause:1", Layers: 1, Command: []string{"/bin/sleep", "100000000"}}

// namespace is containerd's for what comes through CRI.
const namespace = "k8s.io"

// cluster is a node with the Kubernetes interface.
type cluster struct {
	*harness.Harness
	t      *testing.T
	serial int
}

// newCluster starts one, with the runtime of the tests as handler "tango".
func newCluster(t *testing.T) *cluster {
	t.Helper()
	bin, dir := programs(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "10-tango.conflist"), []byte(network(dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t}
	// Before the node's own check, and so after what comes later.
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	c.Harness = harness.New(t, harness.Options{CRI: true, Config: config(harness.Runtime(t), bin, dir)})
	t.Cleanup(c.checkLeaks)
	c.load(pauseImage)
	return c
}

// programs is where containerd, runc and the network plugins are.
func programs(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TANGO_BIN")
	if dir == "" {
		dir = "../../bin"
	}
	dir, err := filepath.Abs(filepath.Join(dir, "tools"))
	if err != nil {
		t.Fatal(err)
	}
	for _, plugin := range []string{"tap", "host-local", "runc"} {
		if _, err := os.Stat(filepath.Join(dir, plugin)); err != nil {
			t.Fatalf("%v: run `make tools`", err)
		}
	}
	return dir
}

// network gives each pod an interface that leads nowhere: nothing of it is on the host.
func network(dir string) string {
	return fmt.Sprintf(`{"cniVersion": "1.0.0", "name": "tango", "plugins": [
	{"type": "tap", "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "192.0.2.0/24"}]]}}
]}`, filepath.Join(dir, "addresses"))
}

// config is containerd's for the interface. The handler tango-control is what
// `tango install --control` adds.
func config(runtime, bin, conf string) string {
	return fmt.Sprintf(`
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = %q

[plugins.'io.containerd.cri.v1.runtime']
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = true # where the tests run there need be no CAP_SYS_RESOURCE
  enable_unprivileged_ports = false
  enable_unprivileged_icmp = false
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = [%q]
  conf_dir = %q
  use_internal_loopback = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.tango]
  runtime_type = '%s'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.tango-control]
  runtime_type = '%s'
`, pauseImage.Ref(), bin, conf, runtime, harness.Stock)
}

// load puts an image where CRI finds it.
func (c *cluster) load(i images.Config) {
	c.t.Helper()
	ctx := c.ctx()
	r, w := io.Pipe()
	go func() { w.CloseWithError(images.Write(w, i)) }()
	_, err := c.Client().Import(ctx, r)
	r.Close()
	c.must(err)
	image, err := c.Client().GetImage(ctx, i.Ref())
	c.must(err)
	c.must(image.Unpack(ctx, harness.Snapshotter))
	c.Eventually("CRI knows "+i.Ref(), func() bool {
		status, err := runtimeapi.NewImageServiceClient(c.conn()).ImageStatus(ctx, &runtimeapi.ImageStatusRequest{
			Image: &runtimeapi.ImageSpec{Image: i.Ref()},
		})
		return err == nil && status.GetImage() != nil
	})
}

func (c *cluster) conn() *grpc.ClientConn { return c.Client().Conn().(*grpc.ClientConn) }

// cri is the interface. After a restart of containerd it is another connection.
func (c *cluster) cri() runtimeapi.RuntimeServiceClient {
	return runtimeapi.NewRuntimeServiceClient(c.conn())
}

func (c *cluster) ctx() context.Context { return namespaces.WithNamespace(c.Ctx(), namespace) }

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// checkLeaks looks for what the harness does not know of: it made its containers in
// another namespace.
func (c *cluster) checkLeaks() {
	c.Eventually("no bundle of a pod is left", func() bool {
		left, err := filepath.Glob(filepath.Join(c.Dir(), "state/io.containerd.runtime.v2.task", namespace, "*"))
		return err == nil && len(left) == 0
	})
	err := c.Client().SnapshotService(harness.Snapshotter).Walk(c.ctx(), func(_ context.Context, i snapshots.Info) error {
		if i.Kind != snapshots.KindCommitted {
			c.t.Errorf("snapshot %s is left", i.Name)
		}
		return nil
	})
	if err != nil {
		c.t.Error(err)
	}
}

// shims are the names of the programs that hold this pod's containers.
func (c *cluster) shimOf(sandbox string) string {
	c.t.Helper()
	program, err := os.ReadFile(filepath.Join(c.Dir(), "state/io.containerd.runtime.v2.task", namespace, sandbox, "shim-binary-path"))
	c.must(err)
	return filepath.Base(strings.TrimSpace(string(program)))
}

// pid is the process id of a container's first process.
func (c *cluster) pid(id string) uint32 {
	c.t.Helper()
	record, err := c.Client().LoadContainer(c.ctx(), id)
	c.must(err)
	task, err := record.Task(c.ctx(), nil)
	c.must(err)
	return task.Pid()
}
