package operator

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"tango/mounts/kernel"
	"tango/mounts/topology/sysfstest"
)

func TestFavorDynMods(t *testing.T) {
	const favor = ",favordynmods"
	for name, c := range map[string]struct {
		features, mounts string
		want             FavorDynMods
		version          string
	}{
		"old kernel":  {"nsdelegate\n", mountV2, FavorNone, "v2"},
		"older still": {"", mountV1, FavorNone, "v1"},
		"off":         {features, mountV2, FavorOff, "v2"},
		"on":          {features, mountV2 + favor, FavorOn, "v2"},
		"on v1":       {features, mountV1 + favor + "\n" + mountV2, FavorOn, "v1 and v2"},
		"no cgroups":  {features, "", FavorOff, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := good()
			f.mounts = c.mounts
			f.files = map[string]string{"sys/kernel/cgroup/features": c.features}
			r := f.examine(t)
			if r.Cgroups.FavorDynMods != c.want || r.Cgroups.Version != c.version {
				t.Errorf("%+v", r.Cgroups)
			}
			if advised := r.count(Choice) > 0; advised != (c.want == FavorOff) {
				t.Errorf("findings %+v", r.Findings)
			}
		})
	}
}

// A remount turns off what it does not name.
func TestRemountNamesAllOptions(t *testing.T) {
	f := good()
	f.mounts = mountV2
	got := finding(t, f.examine(t), "enters a cgroup").Commands
	want := "mount -o remount,rw,nosuid,nodev,noexec,relatime \\\n  -o favordynmods,memory_recursiveprot,nsdelegate /sys/fs/cgroup"
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fixture)
		what   string // part of the finding
		has    string // part of its text and commands
	}{
		"no id-mapped mounts": {func(f *fixture) { f.lacks = []*kernel.Feature{kernel.IDMappedMounts} },
			"can't start containers in user namespaces", "5.19"},
		"no id-mapped layers": {func(f *fixture) { f.lacks = []*kernel.Feature{kernel.OverlayIDMappedLayers} },
			"can't start containers in user namespaces", "5.19"},
		"no lowerdir+":    {func(f *fixture) { f.lacks = []*kernel.Feature{kernel.LowerdirPlus} }, "one page", "6.7"},
		"not root":        {func(f *fixture) { f.denied = true }, "12 kernel abilities", "sudo tango doctor"},
		"no containerd":   {func(f *fixture) { delete(f.programs, "containerd") }, "no containerd", "containerd.io"},
		"apk":             {func(f *fixture) { f.programs = map[string]string{"apk": ""} }, "no containerd", "apk add containerd"},
		"old containerd":  {func(f *fixture) { f.programs["containerd"] = "echo containerd c 1.6.20 r" }, "1.6.20 is too old", "1.7"},
		"mute containerd": {func(f *fixture) { f.programs["containerd"] = "echo hello" }, "does not say its version", "/bin/containerd"},
		"no shim":         {func(f *fixture) { delete(f.programs, shimName) }, "would not find", "make build"},
		"broken shim":     {func(f *fixture) { f.programs[shimName] = "exit 3" }, "does not run", "exit status 3"},
		"broken config":   {func(f *fixture) { f.config = "[" }, "configuration can't be read", "config dump"},
		"no runtime":      {func(f *fixture) { f.config = "version = 3" }, "No runtime", "systemctl restart containerd"},
		"cgroupfs": {func(f *fixture) { f.config = strings.ReplaceAll(f.config, "true", "false") },
			"makes cgroups without systemd", "SystemdCgroup = true"},
		"two sockets": {func(f *fixture) { f.machine = sysfstest.TwoSockets() }, "all sockets", "AllowedCPUs=0-3,8-11"},
		"SMT":         {func(f *fixture) { f.machine = sysfstest.TwoSockets() }, "SMT makes", "smt/control"},
		"SMT fixed":   {func(f *fixture) { f.machine = sysfstest.TwoSockets(); f.machine.SMT = "notimplemented" }, "SMT makes", "firmware"},
	} {
		t.Run(name, func(t *testing.T) {
			f := good()
			c.change(&f)
			got := finding(t, f.examine(t), c.what)
			if text := got.Why + "\n" + strings.Join(got.Commands, "\n"); !strings.Contains(text, c.has) {
				t.Errorf("no %q in %q", c.has, text)
			}
		})
	}
}

// A shim that was built beside this command is installed from there.
func TestShimBesideTheCommand(t *testing.T) {
	f := good()
	delete(f.programs, shimName)
	h, dir := f.host(t)
	writeFile(t, dir+"/self/"+shimName, "#!/bin/sh\n", 0o755)
	r, err := h.examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := dir + "/self/tango install --config " + dir + "/etc/containerd/config.toml --restart"
	if got := finding(t, r, "would not find").Commands; len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f.config = ""
	f.programs["containerd"] = `echo "containerd containerd.io 1.7.27 05044ec0a9a75232cad458027ca83437aae3f4da"`
	h, dir = f.host(t)
	writeFile(t, dir+"/self/"+shimName, "#!/bin/sh\n", 0o755)
	if r, err = h.examine(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := finding(t, r, "would not find").Commands[0]; !strings.HasPrefix(got, "install ") || !strings.Contains(got, dir+"/self/"+shimName) {
		t.Errorf("with containerd 1.7: %q", got)
	}
}

// Who has the shim, and no runtime in containerd's configuration, is told to install it.
func TestNoRuntime(t *testing.T) {
	f := good()
	f.config = "version = 3\n"
	h, dir := f.host(t)
	writeFile(t, dir+"/self/"+shimName, "#!/bin/sh\n", 0o755)
	writeFile(t, dir+"/self/tango", "#!/bin/sh\n", 0o755)
	h.path = append(h.path, dir+"/self")
	r, err := h.examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := finding(t, r, "No runtime").Commands; len(got) != 1 || !strings.HasPrefix(got[0], "tango install --config ") {
		t.Errorf("got %q", got)
	}
}

// containerd finds a shim beside its own program, also through a symlink.
func TestShimBesideContainerd(t *testing.T) {
	f := good()
	script := f.programs[shimName]
	real := f.programs["containerd"]
	f.programs = nil
	h, dir := f.host(t)
	writeFile(t, dir+"/opt/"+shimName, "#!/bin/sh\n"+script, 0o755)
	writeFile(t, dir+"/opt/containerd", "#!/bin/sh\n"+real, 0o755)
	writeFile(t, dir+"/bin/other", "", 0o644)
	if err := os.Symlink(dir+"/opt/containerd", dir+"/bin/containerd"); err != nil {
		t.Fatal(err)
	}
	if c := h.containerd(t.Context()); c.Shim.Path != dir+"/opt/"+shimName || c.Shim.Version != "v1.0.0" {
		t.Errorf("%+v", c)
	}
}

func TestQuote(t *testing.T) {
	for _, path := range []string{"/usr/bin", "/a b", "/it's", "/$HOME", "/ä"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+quote(path)).Output()
		if err != nil || string(out) != path {
			t.Errorf("%q became %q, %v", path, out, err)
		}
	}
	if got := quote("/usr/local/bin"); got != "/usr/local/bin" {
		t.Errorf("needless quotes: %s", got)
	}
}

func TestContention(t *testing.T) {
	told := func(m sysfstest.Machine) Contention {
		f := good()
		f.machine = m
		return f.examine(t).Machine.Contention
	}
	silent := sysfstest.Plain()
	silent.CPUs = nil
	for want, m := range map[Class]sysfstest.Machine{
		Worst: sysfstest.TwoSockets(), Best: sysfstest.Chiplets(), Middle: sysfstest.Plain(), CannotTell: silent,
	} {
		got := told(m)
		if got.Class != want || !strings.Contains(got.Notes[0], "Netflix") {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}
