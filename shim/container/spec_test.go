package container

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tango/shim/options"
)

// plainSpec is the least that libcontainer takes.
func plainSpec() *specs.Spec {
	return &specs.Spec{
		Version: specs.Version,
		Root:    &specs.Root{Path: "rootfs"},
		Process: &specs.Process{Cwd: "/", Args: []string{"true"}},
		Linux:   &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}},
	}
}

func TestNewConfigTakesPathsFromTheBundle(t *testing.T) {
	bundle := t.TempDir()
	t.Chdir(t.TempDir()) // the shim's own: another container's bundle
	tests := []struct {
		name   string
		mount  specs.Mount
		source string
	}{
		{"relative bind", specs.Mount{Type: "bind", Source: "data"}, bundle + "/data"},
		{"relative bind by option", specs.Mount{Source: "../data", Options: []string{"ro", "bind"}}, filepath.Dir(bundle) + "/data"},
		{"relative rbind", specs.Mount{Type: "none", Source: "./data", Options: []string{"rbind"}}, bundle + "/data"},
		{"absolute bind", specs.Mount{Type: "bind", Source: "/data"}, "/data"},
		{"not a bind", specs.Mount{Type: "tmpfs", Source: "shm"}, "shm"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := plainSpec()
			tt.mount.Destination = "/mnt"
			spec.Mounts = []specs.Mount{tt.mount}
			config, err := newConfig("id", bundle, spec, options.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if config.Rootfs != bundle+"/rootfs" {
				t.Errorf("rootfs %s", config.Rootfs)
			}
			if got := config.Mounts[0].Source; got != tt.source {
				t.Errorf("source %s, want %s", got, tt.source)
			}
		})
	}
}

// TestNewConfigWithoutWorkingDirectory: the pod's first container, in whose bundle the
// shim was started, is gone.
func TestNewConfigWithoutWorkingDirectory(t *testing.T) {
	first, bundle := t.TempDir(), t.TempDir()
	t.Chdir(first)
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		config, err := newConfig("id", bundle, plainSpec(), options.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if config.Rootfs != bundle+"/rootfs" {
			t.Errorf("rootfs %s", config.Rootfs)
		}
	}
	if dir, err := unix.Getwd(); err != nil || dir != bundle {
		t.Errorf("in %q, %v; want to be in the bundle", dir, err)
	}
}

func TestNewConfigNamesTheBundle(t *testing.T) {
	bundle := t.TempDir()
	t.Chdir(t.TempDir())
	config, err := newConfig("id", bundle, plainSpec(), options.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(config.Labels, "bundle="+bundle) {
		t.Errorf("labels %v", config.Labels)
	}
}

// Labels are passed on as they are; what refuses them where SELinux is off comes
// before (validateProcess) and after (the kernel, for mounts).
func TestNewConfigHasTheLabels(t *testing.T) {
	const process, files = "system_u:system_r:container_t:s0:c1", "system_u:object_r:container_file_t:s0:c1"
	spec := plainSpec()
	spec.Process.SelinuxLabel, spec.Linux.MountLabel = process, files
	config, err := newConfig("id", t.TempDir(), spec, options.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if config.ProcessLabel != process || config.MountLabel != files {
		t.Errorf("labels %q and %q, want %q and %q", config.ProcessLabel, config.MountLabel, process, files)
	}
	p, err := newProcess(spec.Process)
	if err != nil {
		t.Fatal(err)
	}
	if p.Label != process {
		t.Errorf("a further process gets label %q, want %q", p.Label, process)
	}
}

func TestNewConfigHasTheOptions(t *testing.T) {
	spec := plainSpec()
	spec.Root.Path = "/some/where"
	config, err := newConfig("id", "/bundle", spec, options.Config{NoPivotRoot: true, NoNewKeyring: true})
	if err != nil {
		t.Fatal(err)
	}
	if !config.NoPivotRoot || !config.NoNewKeyring || config.Rootfs != "/some/where" || config.Cgroups.Path != "/id" && config.Cgroups.Name != "id" {
		t.Errorf("config %+v", config)
	}
}

func TestLoadSpec(t *testing.T) {
	const process = `{"process":{"cwd":"/","args":["x"]}}`
	tests := []struct{ name, spec, failure string }{
		{"good", process, ""},
		{"missing", "", "JSON specification file"},
		{"broken", "{", "cannot decode"},
		{"null", "null", "config cannot be null"},
		{"no process", "{}", "process property must not be empty"},
		{"no cwd", `{"process":{"args":["x"]}}`, "Cwd property must not be empty"},
		{"relative cwd", `{"process":{"cwd":"a","args":["x"]}}`, "Cwd must be an absolute path"},
		{"no args", `{"process":{"cwd":"/"}}`, "args must not be empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bundle := t.TempDir()
			if tt.spec != "" {
				if err := os.WriteFile(bundle+"/config.json", []byte(tt.spec), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := loadSpec(bundle)
			if tt.failure == "" && err != nil || tt.failure != "" && (err == nil || !strings.Contains(err.Error(), tt.failure)) {
				t.Errorf("err %v, want %q", err, tt.failure)
			}
		})
	}
}

func TestNewProcess(t *testing.T) {
	p, err := newProcess(&specs.Process{
		Args: []string{"sh", "-c", "x"}, Env: []string{"A=b"}, Cwd: "/home",
		User:            specs.User{UID: 7, GID: 8, AdditionalGids: []uint32{9, 10}},
		Capabilities:    &specs.LinuxCapabilities{Bounding: []string{"CAP_CHOWN"}, Ambient: []string{"CAP_KILL"}},
		Rlimits:         []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 20, Soft: 10}},
		ConsoleSize:     &specs.Box{Width: 132, Height: 43},
		NoNewPrivileges: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.UID != 7 || p.GID != 8 || !slices.Equal(p.AdditionalGroups, []int{9, 10}) || p.Cwd != "/home" || !*p.NoNewPrivileges {
		t.Errorf("process %+v", p)
	}
	if p.ConsoleWidth != 132 || p.ConsoleHeight != 43 {
		t.Errorf("console of %d times %d", p.ConsoleWidth, p.ConsoleHeight)
	}
	if !slices.Equal(p.Capabilities.Bounding, []string{"CAP_CHOWN"}) || !slices.Equal(p.Capabilities.Ambient, []string{"CAP_KILL"}) || p.Capabilities.Effective != nil {
		t.Errorf("capabilities %+v", p.Capabilities)
	}
	bare, err := newProcess(&specs.Process{})
	if err != nil {
		t.Fatal(err)
	}
	if bare.Capabilities != nil || bare.AdditionalGroups != nil || bare.Rlimits != nil {
		t.Errorf("process without anything %+v", bare)
	}
}

func TestRlimits(t *testing.T) {
	want := map[string]int{
		"RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_CPU": unix.RLIMIT_CPU,
		"RLIMIT_DATA": unix.RLIMIT_DATA, "RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_LOCKS": 10,
		"RLIMIT_MEMLOCK": 8, "RLIMIT_MSGQUEUE": 12, "RLIMIT_NICE": 13, "RLIMIT_NOFILE": 7,
		"RLIMIT_NPROC": 6, "RLIMIT_RSS": 5, "RLIMIT_RTPRIO": 14, "RLIMIT_RTTIME": 15,
		"RLIMIT_SIGPENDING": 11, "RLIMIT_STACK": unix.RLIMIT_STACK,
	}
	for name, kind := range want {
		got, err := newRlimits([]specs.POSIXRlimit{{Type: name, Hard: 2, Soft: 1}})
		if err != nil || len(got) != 1 || got[0].Type != kind || got[0].Hard != 2 || got[0].Soft != 1 {
			t.Errorf("%s: %+v, %v; want number %d", name, got, err, kind)
		}
	}
	if len(rlimitTypes) != len(want) {
		t.Errorf("%d limits are known, want %d", len(rlimitTypes), len(want))
	}
	for _, name := range []string{"RLIMIT_NONE", "", "rlimit_core", "NOFILE"} {
		if _, err := newRlimits([]specs.POSIXRlimit{{Type: "RLIMIT_CORE"}, {Type: name}}); err == nil || err.Error() != "wrong rlimit value: "+name {
			t.Errorf("%q: %v", name, err)
		}
	}
}
