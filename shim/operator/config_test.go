package operator

import (
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// configs writes files, "main" being the main one, and reads them.
func configs(t *testing.T, files map[string]string) (Config, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		writeFile(t, filepath.Join(dir, name), strings.ReplaceAll(text, "DIR", dir), 0o644)
	}
	return readConfig(dir + "/main"), dir
}

const entry = "[plugins.'%s'.containerd.runtimes.%s]\nruntime_type = '" + runtimeType + "'\n"

func runtimeEntry(plugin, name string) string {
	return strings.Replace(strings.Replace(entry, "%s", plugin, 1), "%s", name, 1)
}

func TestReadConfig(t *testing.T) {
	const v2, v3 = "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"version 1":           {map[string]string{"main": runtimeEntry("cri", "a")}, []string{"a"}},
		"version 2":           {map[string]string{"main": "version = 2\n" + runtimeEntry(v2, "a")}, []string{"a"}},
		"version 3":           {map[string]string{"main": "version = 3\n" + runtimeEntry(v3, "a")}, []string{"a"}},
		"version 4":           {map[string]string{"main": "version = 4\n" + runtimeEntry(v3, "a")}, []string{"a"}},
		"another's plugin":    {map[string]string{"main": "version = 3\n" + runtimeEntry(v2, "a")}, nil},
		"two":                 {map[string]string{"main": "version = 3\n" + runtimeEntry(v3, "b") + runtimeEntry(v3, "a")}, []string{"a", "b"}},
		"another type":        {map[string]string{"main": strings.Replace("version = 3\n"+runtimeEntry(v3, "a"), "tango.v2", "runc.v2", 1)}, nil},
		"by path":             {map[string]string{"main": "version = 3\n[plugins.'" + v3 + "'.containerd.runtimes.p]\nruntime_type='io.containerd.runc.v2'\nruntime_path='/opt/" + shimName + "'"}, []string{"p"}},
		"nothing":             {map[string]string{"main": ""}, nil},
		"tables of no tables": {map[string]string{"main": "version = 3\n[plugins]\n'" + v3 + "' = 1"}, nil},
		"import": {map[string]string{
			"main": "version = 3\nimports = ['sub/*.toml', 'DIR/one.toml']", "one.toml": "version = 3\n" + runtimeEntry(v3, "one"),
			"sub/two.toml": "version = 2\nimports = ['../main']\n" + runtimeEntry(v2, "two"), "sub/no.conf": "version = 3\n" + runtimeEntry(v3, "no"),
		}, []string{"two", "one"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := configs(t, c.files)
			var names []string
			for _, r := range got.Runtimes {
				names = append(names, r.Name)
			}
			if !reflect.DeepEqual(names, c.want) || !got.Found || got.Problem != "" {
				t.Errorf("%+v, want %q", got, c.want)
			}
		})
	}
}

func TestReadConfigProblems(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"not TOML":       {"main": "version = "},
		"wrong type":     {"main": "version = 'three'"},
		"missing import": {"main": "version = 3\nimports = ['none.toml']"},
		"broken import":  {"main": "version = 3\nimports = ['one.toml']", "one.toml": "["},
	} {
		if c, dir := configs(t, files); !c.Found || !strings.Contains(c.Problem, dir) {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if c, _ := configs(t, nil); c.Found || c.Problem != "" {
		t.Errorf("no file: %+v", c)
	}
}

// The command that is named does what it is named for.
func TestAddRuntimeCommand(t *testing.T) {
	for name, c := range map[string]struct {
		config, version string
		systemd         bool
	}{
		"no file, 2.4":      {"", "v2.4.2", true},
		"no file, 1.7":      {"", "1.7.27", false},
		"no file, no one":   {"", "", false},
		"file of version 2": {"version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]\n", "1.7.27", true},
		"file of version 4": {"version = 4\n", "v2.4.2", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Report{}
			r.Cgroups.Systemd = c.systemd
			r.Containerd.Program.Version = c.version
			file := t.TempDir() + "/a b/config.toml"
			if c.config != "" {
				writeFile(t, file, c.config, 0o644)
			}
			r.Containerd.Config = readConfig(file)
			f := (host{self: "/nonexistent"}).judgeRuntime(r)
			if f == nil {
				t.Fatal("no finding")
			}
			if out, err := exec.CommandContext(t.Context(), "sh", "-ec", f.Commands[0]).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			got := readConfig(file)
			want := []Runtime{{Name: "tango", File: file, SystemdCgroup: c.systemd}}
			if got.Problem != "" || !reflect.DeepEqual(got.Runtimes, want) {
				t.Errorf("%+v", got)
			}
			r.Containerd.Config = got
			if f := (host{self: "/nonexistent"}).judgeRuntime(r); f != nil {
				t.Errorf("still: %+v", f)
			}
		})
	}
}
