package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	runtimeoptions "github.com/containerd/containerd/api/types/runtimeoptions/v1"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/mounts/service"
	"tango/mounts/worker"
	"tango/shim/telemetry"
	"tango/test/harness"
)

// byService has the host's mount service build a container's root filesystem.
func byService(t *testing.T, h *harness.Harness) *runtimeoptions.Options {
	t.Helper()
	if harness.Runtime(t) == harness.Stock {
		t.Skip("THE PREMISE IS MISSING: the stock shim has no mount service")
	}
	return h.TangoOptions(`MountWork = "service"`)
}

func mountService(h *harness.Harness) *service.Client {
	return service.NewClient(service.ClientConfig{Dir: filepath.Join(h.Dir(), "run/mounts")})
}

// builtByService is how many roots the service that runs has built; 0 if none runs.
func builtByService(h *harness.Harness) (n uint64) {
	for _, built := range builtByNode(h) {
		n += built
	}
	return n
}

// builtByNode is the same for each of its NUMA nodes.
func builtByNode(h *harness.Harness) map[int]uint64 {
	built := make(map[int]uint64)
	s, err := mountService(h).ServerStats(h.Ctx())
	if err != nil {
		return built
	}
	for _, node := range s.Workers.Nodes {
		built[node.Node] = node.Built
	}
	return built
}

// TestMountService: roots that the service builds are what they would be otherwise,
// with and without a user namespace, and with mounts of the host in them.
func TestMountService(t *testing.T) {
	h := newNode(t)
	o := byService(t, h)
	first := h.Run(harness.Spec{}) // whose shim starts the service
	h.Eventually("a service", func() bool {
		lease, err := mountService(h).Lease(h.Ctx(), worker.AnyNode, 0)
		defer lease.Release()
		return err == nil && lease.Served()
	})
	volume := hostDir(t, h, "volume")
	for i, ns := range []*harness.UserNS{nil, harness.NthUserNS(7), harness.NthUserNS(7)} {
		// On a machine that stands still now and then, a shim may lose its patience.
		h.Eventually(fmt.Sprintf("container %d built by the service", i), func() bool {
			built := builtByService(h)
			runServed(t, h, o, ns, volume)
			return builtByService(h) == built+1
		})
	}
	h.Delete(first)
	h.CheckLeaks()
}

// TestMountServiceOutlivesContainerd: it is the same one that builds after containerd was
// restarted, in order and with SIGKILL.
func TestMountServiceOutlivesContainerd(t *testing.T) {
	h := newNode(t)
	o := byService(t, h)
	first := h.Run(harness.Spec{})
	h.Eventually("a root built by the service", func() bool { return runsByService(h, o) })
	before := hostService(t, h)
	for _, end := range []func() error{h.Stop, h.Crash} {
		if err := errors.Join(end(), h.Boot(h.Ctx()), h.Reload(h.Ctx(), first)); err != nil {
			t.Fatal(err)
		}
		built := builtByService(h)
		h.Eventually("one more built by the service", func() bool { return runsByService(h, o) && builtByService(h) > built })
		if now := hostService(t, h); now != before || now == 0 {
			t.Errorf("process %d serves, before containerd's end it was %d", now, before)
		}
	}
	h.Delete(first)
	h.CheckLeaks()
}

// runServed runs a container with a volume, and looks whether its root is as it should be.
func runServed(t *testing.T, h *harness.Harness, o *runtimeoptions.Options, ns *harness.UserNS, volume string) {
	t.Helper()
	c := h.Run(harness.Spec{
		Options: o, UserNS: ns, Image: h.Image(5),
		OCI: withMounts(bind(volume, "/volume", "rbind", "rw"), specs.Mount{Type: "tmpfs", Source: "tmpfs", Destination: "/scratch"}),
	})
	expectOutput(t, h, c, "0:0 written", sh("stat -c %u:%g /bin/sh | tr '\\n' ' '; echo written > /new && cat /new")...)
	expectOutput(t, h, c, "seen", sh("echo seen > /scratch/file && cat /scratch/file && ls -d /volume >/dev/null")...)
	h.Kill(c, syscall.SIGKILL)
	h.Wait(c)
	h.Delete(c)
}

// supervisedService starts a mount service of its own, on a node where none runs yet,
// and returns its process, and how to end it, which may be done twice.
func supervisedService(t *testing.T, h *harness.Harness) (pid int, end func()) {
	t.Helper()
	tango, err := h.Tool("tango")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tango, "mount-service", "--run-dir", filepath.Join(h.Dir(), "run"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Error("the supervised service: ", err)
		}
	})
	h.Eventually("the supervised service", func() bool {
		_, err := mountService(h).ServerStats(h.Ctx())
		return err == nil
	})
	return cmd.Process.Pid, end
}

// TestSupervisedMountService: `tango mount-service` builds in the host service's place,
// and when it ends the host service takes over.
func TestSupervisedMountService(t *testing.T) {
	h := newFreshNode(t)
	o := byService(t, h)
	_, end := supervisedService(t, h)
	defer end()
	c := h.Run(harness.Spec{Options: o, UserNS: harness.NthUserNS(7)})
	expectOutput(t, h, c, "alive", "echo", "alive")
	h.Eventually("the supervised service builds", func() bool { return builtByService(h) > 0 || runsByService(h, o) })
	end()
	h.Eventually("the host service in its place", func() bool {
		_, err := mountService(h).ServerStats(h.Ctx())
		return err == nil
	})
	h.Delete(c)
	h.CheckLeaks()
}

// TestWithoutMountService: without it the shim does the same, and the metrics say so.
func TestWithoutMountService(t *testing.T) {
	h := newNode(t)
	o := byService(t, h)
	h.Delete(h.Run(harness.Spec{}))
	h.Eventually("a service", func() bool { return builtByService(h) > 0 || runsByService(h, o) })
	if err := os.Remove(service.SocketPath(filepath.Join(h.Dir(), "run/mounts"))); err != nil {
		t.Fatal(err)
	}
	before := fallbacks(h)
	c := h.Run(harness.Spec{Options: o, UserNS: harness.NthUserNS(7)})
	expectOutput(t, h, c, "alive", "echo", "alive")
	h.Eventually("the count of who had to do without", func() bool { return fallbacks(h) == before+1 })
	if !killService(t, h) {
		t.Error("the service ended by itself")
	}
	second := h.Run(harness.Spec{Options: o})
	expectOutput(t, h, second, "alive", "echo", "alive")
	h.Delete(c)
	h.Delete(second)
	h.CheckLeaks()
}

// runsByService runs a container, and tells whether a service has built its root.
func runsByService(h *harness.Harness, o *runtimeoptions.Options) bool {
	h.Delete(h.Run(harness.Spec{Options: o}))
	return builtByService(h) > 0
}

// fallbacks is how many creates had to do without the service, as it was told.
func fallbacks(h *harness.Harness) (n uint64) {
	s, err := telemetry.Fetch(h.Ctx(), filepath.Join(h.Dir(), "run"))
	if err != nil {
		return 0
	}
	for _, c := range s.Counts {
		if c.Name == "fallback.service" {
			n += c.Count
		}
	}
	return n
}

// killService kills the host service; false says that there is none.
func killService(t *testing.T, h *harness.Harness) bool {
	t.Helper()
	pid := hostService(t, h)
	return pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil
}

// hostService is the host service's process; 0 if there is none.
func hostService(t *testing.T, h *harness.Harness) int {
	t.Helper()
	all, err := h.Processes()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if harness.IsHostService(p) {
			return p.PID
		}
	}
	return 0
}
