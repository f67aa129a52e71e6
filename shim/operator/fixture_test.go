package operator

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tango/mounts/kernel"
	"tango/mounts/topology/sysfstest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixture is a machine to examine, made of files and programs of the test.
type fixture struct {
	machine  sysfstest.Machine
	mounts   string            // lines of mountinfo
	init     string            // name of the first process
	files    map[string]string // more below proc and sys
	config   string            // containerd's; none if empty
	programs map[string]string // shell scripts in PATH
	lacks    []*kernel.Feature
	denied   bool // the probes are not allowed
}

const (
	mountV2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot"
	mountV1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu"

	features = "nsdelegate\nfavordynmods\nmemory_recursiveprot\n"
)

// good is a machine with nothing to say about: one socket of chiplets, everything
// installed, cgroups set up for speed.
func good() fixture {
	return fixture{
		machine: sysfstest.Chiplets(),
		mounts:  mountV2 + ",favordynmods",
		init:    "systemd",
		files:   map[string]string{"sys/kernel/cgroup/features": features},
		config: `version = 3
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.tango]
runtime_type = 'io.containerd.tango.v2'
options = { SystemdCgroup = true }
`,
		programs: map[string]string{
			"containerd": `[ "$1" = --version ] && echo "containerd github.com/containerd/containerd/v2 v2.4.2 0123abc"`,
			shimName:     `[ "$1" = -v ] && printf '%s:\n  Version:  v1.0.0\n  Revision: 4567def\n' "$0"`,
		},
	}
}

// host makes the files, and returns where to look and the directory of it all.
func (f fixture) host(t *testing.T) (host, string) {
	t.Helper()
	f.machine.Files = map[string]string{
		"proc/sys/kernel/osrelease": "6.18.0-test",
		"proc/self/mountinfo":       strings.TrimSpace("22 27 0:21 / /proc rw,relatime - proc proc rw\n" + f.mounts),
		"proc/1/comm":               f.init,
	}
	for name, text := range f.files {
		f.machine.Files[name] = text
	}
	roots := sysfstest.Write(t, f.machine)
	dir := filepath.Dir(roots.Sys)
	h := host{
		roots: roots, config: dir + "/etc/containerd/config.toml", path: []string{dir + "/none", dir + "/bin"},
		self: dir + "/self", root: !f.denied, probe: f.probe,
	}
	if f.config != "" {
		writeFile(t, h.config, f.config, 0o644)
	}
	for name, script := range f.programs {
		writeFile(t, dir+"/bin/"+name, "#!/bin/sh\n"+script+"\n", 0o755)
	}
	return h, dir
}

// probe answers in place of the kernel, for kernels that are not at hand.
func (f fixture) probe() []Ability {
	var answers []Ability
	for _, feature := range kernel.All() {
		err := error(nil)
		for _, lack := range f.lacks {
			if lack == feature {
				err = kernel.ErrNotSupported
			}
		}
		if f.denied {
			err = errors.New("operation not permitted")
		}
		answers = append(answers, ability(feature, err))
	}
	return answers
}

// examine gives the report with the fixture's directory taken out of all paths.
func (f fixture) examine(t *testing.T) *Report {
	t.Helper()
	h, dir := f.host(t)
	r, err := h.examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.ReplaceAll(string(text), dir, ""))
	r = &Report{}
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatal(err)
	}
	return r
}

func writeFile(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// finding is the one with this text in What.
func finding(t *testing.T, r *Report, what string) Finding {
	t.Helper()
	for _, f := range r.Findings {
		if strings.Contains(f.What, what) {
			return f
		}
	}
	t.Fatalf("no finding %q in %+v", what, r.Findings)
	return Finding{}
}
