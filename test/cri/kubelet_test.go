package cri

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"sigs.k8s.io/yaml"

	"tango/test/images"
)

// mappedFrom is where a pod's ids are on the host, as kubelet would choose.
const (
	mappedFrom = 1 << 20
	mappedIDs  = 1 << 16
)

// pod is one as it runs.
type pod struct {
	*cluster
	spec       *corev1.Pod
	settings   map[string]map[string]string // the config maps' data
	config     *runtimeapi.PodSandboxConfig
	id         string            // of its sandbox
	dir        string            // volumes and logs
	containers map[string]string // ids by name
	attempts   map[string]uint32
}

// readPod reads an example: a pod, and the config maps that it uses.
func readPod(t *testing.T, file string) (*corev1.Pod, map[string]map[string]string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var p *corev1.Pod
	settings := make(map[string]map[string]string)
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var kind struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		switch kind.Kind {
		case "Pod":
			p = &corev1.Pod{}
			err = yaml.UnmarshalStrict(document, p)
		case "ConfigMap":
			var m corev1.ConfigMap
			err = yaml.UnmarshalStrict(document, &m)
			settings[m.Name] = m.Data
		default:
			t.Fatalf("%s: cannot use a %q", file, kind.Kind)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return p, settings
}

// shallowPod is the example with an image of few layers, for tests that look at
// something else.
func shallowPod(t *testing.T) (*corev1.Pod, map[string]map[string]string) {
	t.Helper()
	p, settings := readPod(t, example)
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for n := range list {
			list[n].Image = "tango.test/layers:3"
		}
	}
	return p, settings
}

// newPod prepares what kubelet prepares: images, directories, the sandbox's configuration.
func (c *cluster) newPod(spec *corev1.Pod, settings map[string]map[string]string) *pod {
	c.t.Helper()
	c.serial++
	p := &pod{
		cluster: c, spec: spec, settings: settings,
		dir:        filepath.Join(c.Dir(), fmt.Sprintf("pod%d", c.serial)),
		containers: make(map[string]string), attempts: make(map[string]uint32),
	}
	c.must(os.MkdirAll(filepath.Join(p.dir, "logs"), 0o711))
	for _, v := range spec.Spec.Volumes {
		p.makeVolume(v)
	}
	for _, k := range append(spec.Spec.InitContainers, spec.Spec.Containers...) {
		c.loadByName(k.Image)
	}
	p.config = &runtimeapi.PodSandboxConfig{
		Metadata: &runtimeapi.PodSandboxMetadata{
			Name: spec.Name, Namespace: "default", Uid: fmt.Sprintf("00000000-0000-4000-8000-%012d", c.serial),
		},
		Hostname: spec.Name, LogDirectory: filepath.Join(p.dir, "logs"),
		Linux: &runtimeapi.LinuxPodSandboxConfig{
			CgroupParent:    c.CgroupParent(),
			SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{NamespaceOptions: p.namespaces()},
		},
	}
	if spec.Spec.HostNetwork {
		p.config.Hostname = ""
	}
	return p
}

// loadByName makes the image that an example names, whose tag is its number of layers.
func (c *cluster) loadByName(name string) {
	c.t.Helper()
	var layers int
	if _, err := fmt.Sscanf(name, "tango.test/layers:%d", &layers); err != nil {
		c.t.Fatalf("cannot make image %q", name)
	}
	if _, err := c.Client().GetImage(c.ctx(), name); err != nil {
		c.load(images.Config{Layers: layers})
	}
}

func (p *pod) userns() bool { return p.spec.Spec.HostUsers != nil && !*p.spec.Spec.HostUsers }

func (p *pod) mappings() []*runtimeapi.IDMapping {
	if !p.userns() {
		return nil
	}
	return []*runtimeapi.IDMapping{{HostId: mappedFrom, ContainerId: 0, Length: mappedIDs}}
}

func (p *pod) namespaces() *runtimeapi.NamespaceOption {
	o := &runtimeapi.NamespaceOption{Pid: runtimeapi.NamespaceMode_CONTAINER}
	if p.spec.Spec.HostNetwork {
		o.Network = runtimeapi.NamespaceMode_NODE
	}
	if p.userns() {
		o.UsernsOptions = &runtimeapi.UserNamespace{Mode: runtimeapi.NamespaceMode_POD, Uids: p.mappings(), Gids: p.mappings()}
	} else {
		o.UsernsOptions = &runtimeapi.UserNamespace{Mode: runtimeapi.NamespaceMode_NODE}
	}
	return o
}

// volume is where a volume is on the host.
func (p *pod) volume(name string) string { return filepath.Join(p.dir, "volumes", name) }

// makeVolume makes a volume as kubelet does: with ids as they are inside, which the
// runtime maps.
func (p *pod) makeVolume(v corev1.Volume) {
	p.t.Helper()
	dir := p.volume(v.Name)
	p.must(os.MkdirAll(dir, 0o755))
	p.must(os.Chmod(dir, 0o777))
	switch {
	case v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory:
		p.must(syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0777"))
		p.t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) }) // unmounted by remove, if all is well
	case v.EmptyDir != nil:
	case v.ConfigMap != nil:
		for name, text := range p.settings[v.ConfigMap.Name] {
			p.must(os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o644))
		}
	default:
		p.t.Fatalf("cannot make volume %+v", v)
	}
}

// start runs the sandbox, the init containers one by one, and the containers.
func (p *pod) start() {
	p.t.Helper()
	handler := ""
	if p.spec.Spec.RuntimeClassName != nil {
		handler = *p.spec.Spec.RuntimeClassName
	}
	made, err := p.cri().RunPodSandbox(p.ctx(), &runtimeapi.RunPodSandboxRequest{Config: p.config, RuntimeHandler: handler})
	p.must(err)
	p.id = made.PodSandboxId
	p.t.Cleanup(p.remove)
	for _, k := range p.spec.Spec.InitContainers {
		p.startContainer(k, nil)
		if code := p.wait(k.Name); code != 0 {
			p.t.Fatalf("init container %s ended with code %d: %s", k.Name, code, p.log(k.Name))
		}
	}
	for _, k := range p.spec.Spec.Containers {
		p.startContainer(k, nil)
	}
	for _, k := range p.spec.Spec.Containers {
		for _, probe := range []*corev1.Probe{k.StartupProbe, k.ReadinessProbe, k.LivenessProbe} {
			p.probe(k.Name, probe)
		}
	}
}

// probe waits until one succeeds.
func (p *pod) probe(container string, probe *corev1.Probe) {
	p.t.Helper()
	if probe == nil {
		return
	}
	p.Eventually(fmt.Sprintf("probe %q of %s succeeds", probe.Exec.Command, container), func() bool {
		code, _ := p.exec(container, probe.Exec.Command...)
		return code == 0
	})
}

// exec runs a command in a container, and gives its exit code and all its output.
func (p *pod) exec(container string, command ...string) (code int32, output string) {
	p.t.Helper()
	done, err := p.cri().ExecSync(p.ctx(), &runtimeapi.ExecSyncRequest{
		ContainerId: p.containers[container], Cmd: command, Timeout: int64(time.Minute / time.Second),
	})
	p.must(err)
	return done.ExitCode, strings.TrimSpace(string(done.Stdout) + string(done.Stderr))
}

// startContainer makes and starts one; change, if given, changes what is asked for.
func (p *pod) startContainer(k corev1.Container, change func(*runtimeapi.ContainerConfig)) {
	p.t.Helper()
	config := p.container(k)
	if change != nil {
		change(config)
	}
	made, err := p.cri().CreateContainer(p.ctx(), &runtimeapi.CreateContainerRequest{
		PodSandboxId: p.id, Config: config, SandboxConfig: p.config,
	})
	p.must(err)
	p.containers[k.Name] = made.ContainerId
	_, err = p.cri().StartContainer(p.ctx(), &runtimeapi.StartContainerRequest{ContainerId: made.ContainerId})
	p.must(err)
}

// container is what kubelet would ask for.
func (p *pod) container(k corev1.Container) *runtimeapi.ContainerConfig {
	config := &runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: k.Name, Attempt: p.attempts[k.Name]},
		Image:    &runtimeapi.ImageSpec{Image: k.Image}, Command: k.Command, Args: k.Args,
		LogPath: fmt.Sprintf("%s-%d.log", k.Name, p.attempts[k.Name]),
		Linux: &runtimeapi.LinuxContainerConfig{SecurityContext: &runtimeapi.LinuxContainerSecurityContext{
			NamespaceOptions: p.namespaces(),
		}},
	}
	p.attempts[k.Name]++
	for _, e := range k.Env {
		config.Envs = append(config.Envs, &runtimeapi.KeyValue{Key: e.Name, Value: []byte(e.Value)})
	}
	for _, m := range k.VolumeMounts {
		config.Mounts = append(config.Mounts, &runtimeapi.Mount{
			ContainerPath: m.MountPath, HostPath: p.volume(m.Name), Readonly: m.ReadOnly,
			UidMappings: p.mappings(), GidMappings: p.mappings(),
		})
	}
	if k.SecurityContext != nil {
		secure(config.Linux.SecurityContext, k.SecurityContext)
	}
	return config
}

// secure takes over what a container's security context says.
func secure(to *runtimeapi.LinuxContainerSecurityContext, from *corev1.SecurityContext) {
	if from.RunAsUser != nil {
		to.RunAsUser = &runtimeapi.Int64Value{Value: *from.RunAsUser}
	}
	if from.RunAsGroup != nil {
		to.RunAsGroup = &runtimeapi.Int64Value{Value: *from.RunAsGroup}
	}
	to.ReadonlyRootfs = from.ReadOnlyRootFilesystem != nil && *from.ReadOnlyRootFilesystem
	to.NoNewPrivs = from.AllowPrivilegeEscalation != nil && !*from.AllowPrivilegeEscalation
	if from.Capabilities != nil {
		to.Capabilities = &runtimeapi.Capability{}
		for _, c := range from.Capabilities.Drop {
			to.Capabilities.DropCapabilities = append(to.Capabilities.DropCapabilities, string(c))
		}
	}
}

// status is that of a container.
func (p *pod) status(name string) *runtimeapi.ContainerStatus {
	p.t.Helper()
	s, err := p.cri().ContainerStatus(p.ctx(), &runtimeapi.ContainerStatusRequest{ContainerId: p.containers[name]})
	p.must(err)
	return s.Status
}

// wait waits for a container's end, and gives its exit code.
func (p *pod) wait(name string) int32 {
	p.t.Helper()
	p.Eventually(name+" ends", func() bool { return p.status(name).State == runtimeapi.ContainerState_CONTAINER_EXITED })
	return p.status(name).ExitCode
}

// log is what a container has written.
func (p *pod) log(name string) string {
	text, err := os.ReadFile(filepath.Join(p.dir, "logs", fmt.Sprintf("%s-%d.log", name, p.attempts[name]-1)))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// remove takes the pod away as kubelet does, once.
func (p *pod) remove() {
	p.t.Helper()
	if p.id == "" {
		return
	}
	for name, id := range p.containers {
		if _, err := p.cri().StopContainer(p.ctx(), &runtimeapi.StopContainerRequest{ContainerId: id}); err != nil {
			p.t.Errorf("cannot stop %s: %v", name, err)
		}
	}
	if _, err := p.cri().StopPodSandbox(p.ctx(), &runtimeapi.StopPodSandboxRequest{PodSandboxId: p.id}); err != nil {
		p.t.Errorf("cannot stop the pod: %v", err)
	}
	if _, err := p.cri().RemovePodSandbox(p.ctx(), &runtimeapi.RemovePodSandboxRequest{PodSandboxId: p.id}); err != nil {
		p.t.Errorf("cannot remove the pod: %v", err)
	}
	p.id = ""
	for _, v := range p.spec.Spec.Volumes {
		if v.EmptyDir != nil && v.EmptyDir.Medium == corev1.StorageMediumMemory {
			if err := syscall.Unmount(p.volume(v.Name), 0); err != nil {
				p.t.Errorf("cannot unmount volume %s: %v", v.Name, err)
			}
		}
	}
}
