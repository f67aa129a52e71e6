package cri

import (
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"tango/test/harness"
)

const example = "../../deploy/kubernetes/examples/pod.yaml"

// shimName is the program of the runtime that the tests run with.
func shimName(t *testing.T) string {
	if harness.Runtime(t) == harness.Stock {
		return "containerd-shim-runc-v2"
	}
	return "containerd-shim-tango-v2"
}

// TestExamplePod runs the documented pod, user namespace and all, and looks at it
// from inside and from outside.
func TestExamplePod(t *testing.T) {
	c := newCluster(t)
	p := c.newPod(readPod(t, example))
	p.start()

	if got := c.shimOf(p.id); got != shimName(t) {
		t.Errorf("the pod is held by %s", got)
	}
	for name, id := range p.containers {
		if name == "prepare" {
			continue
		}
		ids, err := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", c.pid(id)))
		c.must(err)
		if got, want := strings.Fields(string(ids)), []string{"0", fmt.Sprint(mappedFrom), fmt.Sprint(mappedIDs)}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: ids are mapped %v, want %v", name, got, want)
		}
	}
	for _, one := range []struct{ container, command, want string }{
		{"server", "cat /work/ready", "prepared"},
		{"server", "id -u", "0"},
		{"server", "stat -c %u:%g /work /settings/greeting /shared/last", "0:0\n0:0\n1049:1049"},
		{"server", "touch /settings/x 2>/dev/null || echo refused", "refused"},
		{"helper", "id -u", "1000"},
		{"helper", "cat /work/seen", "helper sees hello from the settings"},
		{"helper", "touch /x 2>/dev/null || echo refused", "refused"},
		{"helper", "touch /tmp/x && stat -c %u /tmp/x", "1000"},
		{"helper", "hostname", "tango-example"},
		{"helper", "grep -c eth0 /proc/net/dev", "1"},
	} {
		if code, got := p.exec(one.container, "sh", "-c", one.command); code != 0 || got != one.want {
			t.Errorf("%s in %s: code %d, %q, want %q", one.command, one.container, code, got, one.want)
		}
	}
	// What the pod's user 1000 made in the volume is user 1000's for kubelet, too:
	// volumes are mapped, not owned by the pod's range.
	info, err := os.Stat(p.volume("work") + "/seen")
	c.must(err)
	if uid := owner(info); uid != 1000 {
		t.Errorf("a file in a volume belongs to %d on the host", uid)
	}
	if code, _ := p.exec("helper", "grep", "-q", "nonsense", "/work/seen"); code != 1 {
		t.Errorf("a probe that fails gives code %d", code)
	}
	p.remove()
}

// TestEphemeralContainer joins a container to a running pod, in another's process
// namespace, as kubectl debug does.
func TestEphemeralContainer(t *testing.T) {
	c := newCluster(t)
	p := c.newPod(shallowPod(t))
	p.start()
	debugger := corev1.Container{Name: "debugger", Image: "tango.test/layers:3", Command: []string{"sh", "-c", "ps | grep -v grep; sleep 1000000"}}
	p.startContainer(debugger, func(k *runtimeapi.ContainerConfig) {
		o := k.Linux.SecurityContext.NamespaceOptions
		o.Pid, o.TargetId = runtimeapi.NamespaceMode_TARGET, p.containers["server"]
	})
	code, seen := p.exec("debugger", "sh", "-c", `[ "$(readlink /proc/1/ns/pid)" = "$(readlink /proc/self/ns/pid)" ] && tr '\0' ' ' < /proc/1/cmdline`)
	if code != 0 || !strings.HasPrefix(seen, "sleep 1000000") {
		t.Errorf("the debugger sees: %d, %q", code, seen)
	}
	p.remove()
}

// TestContainerRestart ends a container, and starts it again in the pod that goes on.
func TestContainerRestart(t *testing.T) {
	c := newCluster(t)
	p := c.newPod(shallowPod(t))
	p.start()
	server := p.spec.Spec.Containers[0]
	old := p.containers[server.Name]
	_, err := c.cri().StopContainer(c.ctx(), &runtimeapi.StopContainerRequest{ContainerId: old})
	c.must(err)
	if s := p.status(server.Name); s.State != runtimeapi.ContainerState_CONTAINER_EXITED || s.ExitCode != 137 {
		t.Errorf("stopped: %v, code %d", s.State, s.ExitCode)
	}
	p.startContainer(server, nil)
	p.probe(server.Name, server.LivenessProbe)
	_, err = c.cri().RemoveContainer(c.ctx(), &runtimeapi.RemoveContainerRequest{ContainerId: old})
	c.must(err)
	if s := p.status("helper"); s.State != runtimeapi.ContainerState_CONTAINER_RUNNING {
		t.Errorf("the other container is %v", s.State)
	}
	p.remove()
}

// TestHostPod runs a pod in the host's user and network namespaces, and asks what
// kubelet asks all the time.
func TestHostPod(t *testing.T) {
	c := newCluster(t)
	spec, settings := shallowPod(t)
	spec.Spec.HostUsers, spec.Spec.HostNetwork = nil, true
	p := c.newPod(spec, settings)
	p.start()
	host, err := os.Readlink("/proc/self/ns/net")
	c.must(err)
	if _, got := p.exec("server", "readlink", "/proc/self/ns/net"); got != host {
		t.Errorf("network namespace %s, want the host's, %s", got, host)
	}
	stats, err := c.cri().ContainerStats(c.ctx(), &runtimeapi.ContainerStatsRequest{ContainerId: p.containers["server"]})
	c.must(err)
	if stats.Stats.GetMemory().GetWorkingSetBytes().GetValue() == 0 {
		t.Errorf("stats: %v", stats.Stats)
	}
	_, err = c.cri().UpdateContainerResources(c.ctx(), &runtimeapi.UpdateContainerResourcesRequest{
		ContainerId: p.containers["server"], Linux: &runtimeapi.LinuxContainerResources{MemoryLimitInBytes: 64 << 20},
	})
	c.must(err)
	if got := p.status("server").GetResources().GetLinux().GetMemoryLimitInBytes(); got != 64<<20 {
		t.Errorf("memory limit is %d", got)
	}
	p.remove()
}

// TestControlArm runs the same pod on containerd's own shim, beside one on tango.
func TestControlArm(t *testing.T) {
	c := newCluster(t)
	spec, settings := shallowPod(t)
	control := spec.DeepCopy()
	control.Name, control.Spec.RuntimeClassName = "control", ptr("tango-control")
	p, q := c.newPod(spec, settings), c.newPod(control, settings)
	p.start()
	q.start()
	if a, b := c.shimOf(p.id), c.shimOf(q.id); a != shimName(t) || b != "containerd-shim-runc-v2" {
		t.Errorf("held by %s and %s", a, b)
	}
	p.remove()
	q.remove()
}

func ptr[T any](v T) *T { return &v }
