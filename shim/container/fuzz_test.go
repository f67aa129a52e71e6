package container

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"tango/shim/options"
)

// FuzzSpec converts any config.json as a create does. A panic would end the shim, and
// with it the service of all other containers of the pod.
func FuzzSpec(f *testing.F) {
	for _, spec := range []*specs.Spec{plainSpec(), specconv.Example(), userNamespaceSpec(), busySpec()} {
		data, err := json.Marshal(spec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"process":{"cwd":"/","args":["a"]},"linux":null,"root":null}`))
	f.Add([]byte(`null`))
	bundle := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(bundle, "config.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		spec, err := loadSpec(bundle)
		if err != nil {
			return
		}
		config, err := newConfig("id", bundle, spec, options.Config{})
		if err != nil {
			return
		}
		spareMounts(config)
		ordinaryDev(config)
		_, _ = newProcess(spec.Process)
	})
}

// userNamespaceSpec is rootless in the spec's sense.
func userNamespaceSpec() *specs.Spec {
	spec := specconv.Example()
	spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	spec.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: 100000, Size: 65536}}
	spec.Linux.GIDMappings = spec.Linux.UIDMappings
	return spec
}

// busySpec has much of what specs seldom have.
func busySpec() *specs.Spec {
	spec := specconv.Example()
	limit, weight := int64(1<<20), uint16(10)
	spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/true"}}}
	spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit}
	spec.Linux.Resources.BlockIO = &specs.LinuxBlockIO{WeightDevice: []specs.LinuxWeightDevice{{Weight: &weight}}}
	spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"mount"}, Action: specs.ActAllow}}}
	spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229}}
	spec.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "a"}
	spec.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux}
	spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 1}}
	spec.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedOther}
	spec.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE}
	spec.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0-1", Final: "0"}
	spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 10, Soft: 10}}
	return spec
}

// FuzzProcess does so with what an exec comes with.
func FuzzProcess(f *testing.F) {
	data, err := json.Marshal(busySpec().Process)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"rlimits":[{}],"consoleSize":{},"execCPUAffinity":{"initial":"9-"}}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		var p specs.Process
		if json.Unmarshal(data, &p) == nil {
			_, _ = newProcess(&p)
		}
	})
}

// FuzzResources does so with what an update comes with, twice: the second finds what the
// first has left.
func FuzzResources(f *testing.F) {
	data, err := json.Marshal(busySpec().Linux.Resources)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"memory":{"limit":-1},"cpu":{"idle":1,"quota":-1},"pids":{},"blockIO":{"throttleReadBpsDevice":[{"major":8}]}}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		var to cgroups.Resources
		for range 2 {
			var r specs.LinuxResources
			if json.Unmarshal(data, &r) != nil {
				return
			}
			apply(&r, &to)
		}
	})
}

// FuzzExit reads what a shim that was killed may have left.
func FuzzExit(f *testing.F) {
	f.Add([]byte(`{"pid":7,"status":3,"at":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"pid":-1}`))
	bundle := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(exitPath(bundle), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := loadExit(bundle); err == nil && (r.Pid <= 0 || r.Status < 0 || r.At.IsZero()) {
			t.Errorf("an exit that cannot be: %+v", r)
		}
	})
}
