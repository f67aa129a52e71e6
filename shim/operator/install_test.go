package operator

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// site is a machine to install into: a directory of the test's, with programs to
// install beside it.
type site struct {
	t          *testing.T
	root, from string
}

func newSite(t *testing.T) site {
	t.Helper()
	s := site{t: t, root: t.TempDir(), from: t.TempDir()}
	writeFile(t, s.from+"/"+shimName, "\x7fELF shim one", 0o755)
	writeFile(t, s.from+"/tango", "\x7fELF tango one", 0o755)
	return s
}

// call runs a subcommand on the site.
func (s site) call(args ...string) (code int, done Installation, stderr string) {
	s.t.Helper()
	all := append([]string{args[0], "--root", s.root, "--json"}, args[1:]...)
	if args[0] == "install" {
		all = append(all, "--from", s.from)
	}
	code, stdout, stderr := run(all...)
	if stdout != "" {
		if err := json.Unmarshal([]byte(stdout), &done); err != nil {
			s.t.Fatalf("%v: %q", err, stdout)
		}
	}
	return code, done, stderr
}

// must is call where the exit code is known.
func (s site) must(want int, args ...string) Installation {
	s.t.Helper()
	code, done, stderr := s.call(args...)
	if code != want {
		s.t.Fatalf("%q: exit code %d, want %d: %s", args, code, want, stderr)
	}
	return done
}

func (s site) write(name, text string) { s.t.Helper(); writeFile(s.t, s.root+name, text, 0o644) }

// files are all that is on the site, by path.
func (s site) files() map[string]string {
	s.t.Helper()
	list := make(map[string]string)
	err := filepath.WalkDir(s.root, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == s.root {
			return err
		}
		name := strings.TrimPrefix(path, s.root)
		if d.IsDir() {
			list[name+"/"] = ""
			return nil
		}
		if link, err := os.Readlink(path); err == nil {
			list[name] = "-> " + link
			return nil
		}
		text, err := os.ReadFile(path)
		list[name] = string(text)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

func seconds(n int64) time.Time { return time.Unix(n, 0) }

// actions are what happened to each file.
func actions(done Installation) map[string]Action {
	list := make(map[string]Action)
	for _, c := range done.Changes {
		list[c.Path] = c.Action
	}
	return list
}

const (
	shimPath = "/usr/local/bin/" + shimName
	dropPath = "/etc/containerd/conf.d/tango.toml"
	mainPath = "/etc/containerd/config.toml"
)

// runtimeOf is the type that a drop-in gives the runtime tango.
func (s site) runtimeOf(name string) (kind string, systemd any) {
	s.t.Helper()
	var part configFile
	if err := toml.Unmarshal([]byte(s.files()[name]), &part); err != nil {
		s.t.Fatal(err)
	}
	r := table(table(table(table(part.Plugins, criPlugin(part.Version)), "containerd"), "runtimes"), "tango")
	kind, _ = r["runtime_type"].(string)
	return kind, table(r, "options")["SystemdCgroup"]
}

func TestInstallAndUninstall(t *testing.T) {
	s := newSite(t)
	first := s.must(exitFine, "install")
	if !first.Restart || actions(first)[shimPath] != Create || actions(first)[dropPath] != Create || actions(first)[mainPath] != Create {
		t.Errorf("first: %+v", first)
	}
	if info, err := os.Stat(s.root + shimPath); err != nil || info.Mode() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
	if kind, _ := s.runtimeOf(dropPath); kind != runtimeType {
		t.Errorf("runtime type %q", kind)
	}
	if !(&installer{parts: stage(s.root).readParts(mainPath)}).imported(dropPath) {
		t.Error("the main file that was made does not import the drop-in")
	}
	before := s.files()
	again := s.must(exitFine, "install")
	if again.Restart || len(again.Steps) > 0 {
		t.Errorf("again: %+v", again)
	}
	for path, action := range actions(again) {
		if action != Keep || before[path] != s.files()[path] {
			t.Errorf("a second run does %s to %s", action, path)
		}
	}
	if gone := s.must(exitFine, "uninstall"); !gone.Restart {
		t.Errorf("%+v", gone)
	}
	if left := s.files(); len(left) != 1+1 { // /var/lib holds the lock
		t.Errorf("left: %v", left)
	}
	if none := s.must(exitFine, "uninstall"); len(none.Changes) != 0 || none.Restart {
		t.Errorf("%+v", none)
	}
}

func TestInstallReplaces(t *testing.T) {
	s := newSite(t)
	s.must(exitFine, "install")
	open, err := os.Open(s.root + shimPath)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	writeFile(t, s.from+"/"+shimName, "\x7fELF shim two", 0o755)
	done := s.must(exitFine, "install")
	if actions(done)[shimPath] != Replace || done.Restart {
		t.Errorf("%+v", done)
	}
	old := make([]byte, 100)
	n, _ := open.Read(old)
	if string(old[:n]) != "\x7fELF shim one" || s.files()[shimPath] != "\x7fELF shim two" {
		t.Errorf("the old file changed: %q", old[:n])
	}
}

// A program that runs is replaced while it runs.
func TestInstallOverRunningProgram(t *testing.T) {
	s := newSite(t)
	program, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, s.from+"/"+shimName, string(program), 0o755)
	s.must(exitFine, "install")
	c := exec.Command(s.root+shimPath, "1000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer c.Process.Kill()
	writeFile(t, s.from+"/"+shimName, "\x7fELF new", 0o755)
	s.must(exitFine, "install")
}

func TestInstallTouchesNothingElse(t *testing.T) {
	for name, prepare := range map[string]func(site){
		"foreign shim":    func(s site) { s.write(shimPath, "another") },
		"foreign drop-in": func(s site) { s.write(dropPath, "version = 3\n") },
		"link": func(s site) {
			s.write("/opt/shim", "")
			os.MkdirAll(s.root+"/usr/local/bin", 0o755)
			os.Symlink("/opt/shim", s.root+shimPath)
		},
		"directory": func(s site) { os.MkdirAll(s.root+shimPath, 0o755) },
		"changed since": func(s site) {
			s.must(exitFine, "install")
			s.write(dropPath, "# mine now\n")
			writeFile(s.t, s.from+"/"+shimName, "\x7fELF shim two", 0o755)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.write("/etc/containerd/config.toml", "version = 3\nimports = ['conf.d/*.toml']\n")
			prepare(s)
			before := s.files()
			os.MkdirAll(s.root+"/var/lib", 0o755)
			code, _, stderr := s.call("install")
			if code != exitMissing || !strings.Contains(stderr, "cannot touch") || !strings.Contains(stderr, "nothing was changed") {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			after := s.files()
			delete(after, "/var/")
			delete(after, "/var/lib/")
			delete(before, "/var/")
			delete(before, "/var/lib/")
			if want, got := mustJSON(t, before), mustJSON(t, after); want != got {
				t.Errorf("before %s, after %s", want, got)
			}
		})
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestUninstallKeepsWhatChanged(t *testing.T) {
	s := newSite(t)
	s.must(exitFine, "install")
	s.write(dropPath, "# mine now\n")
	code, _, stderr := s.call("uninstall")
	if code != exitMissing || !strings.Contains(stderr, dropPath) || s.files()[shimPath] == "" {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// The main file that install made stays while somebody else's drop-in file needs it.
func TestUninstallKeepsMainFile(t *testing.T) {
	s := newSite(t)
	s.must(exitFine, "install")
	theirs := filepath.Join(filepath.Dir(dropPath), "theirs.toml")
	s.write(theirs, "version = 3\n")
	done := s.must(exitFine, "uninstall")
	files := s.files()
	if actions(done)[mainPath] != Keep || files[mainPath] == "" || files[theirs] == "" || files[dropPath] != "" || files[shimPath] != "" {
		t.Errorf("%+v, %v", actions(done), files)
	}
	if done := s.must(exitFine, "uninstall"); len(done.Changes) != 0 {
		t.Errorf("a second time: %+v", done)
	}
}

func TestUninstallWaitsForPods(t *testing.T) {
	s := newSite(t)
	s.write(mainPath, "version = 3\nstate = '/run/elsewhere'\nimports = ['/etc/containerd/conf.d/*.toml']\n")
	s.must(exitFine, "install")
	s.write("/run/elsewhere/io.containerd.runtime.v2.task/k8s.io/pod1/shim-binary-path", shimPath)
	s.write("/run/elsewhere/io.containerd.runtime.v2.task/k8s.io/pod2/shim-binary-path", "/usr/bin/containerd-shim-runc-v2")
	code, _, stderr := s.call("uninstall")
	if code != exitMissing || !strings.Contains(stderr, "k8s.io/pod1") || strings.Contains(stderr, "pod2") || s.files()[dropPath] == "" {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if err := os.RemoveAll(s.root + "/run/elsewhere/io.containerd.runtime.v2.task/k8s.io/pod1"); err != nil {
		t.Fatal(err)
	}
	s.must(exitFine, "uninstall")
	if _, there := s.files()[mainPath]; !there {
		t.Error("took away what it did not write")
	}
}

func TestInstallDryRun(t *testing.T) {
	s := newSite(t)
	done := s.must(exitFine, "install", "--dry-run")
	if !done.DryRun || !done.Restart || len(done.Changes) != 4 {
		t.Errorf("%+v", done)
	}
	if files := s.files(); len(files) != 0 {
		t.Errorf("made %v", files)
	}
	s.must(exitFine, "install")
	before := mustJSON(t, s.files())
	s.must(exitFine, "uninstall", "--dry-run")
	if after := mustJSON(t, s.files()); before != after {
		t.Errorf("before %s, after %s", before, after)
	}
}

func TestInstallArms(t *testing.T) {
	s := newSite(t)
	s.must(exitFine, "install", "--control", "--systemd-cgroup", "false")
	if _, there := s.files()["/etc/containerd/conf.d/tango-control.toml"]; !there {
		t.Error("no control arm")
	}
	done := s.must(exitFine, "install", "--arm", "stock", "--systemd-cgroup", "true")
	if kind, systemd := s.runtimeOf(dropPath); kind != stockType || systemd != true || !done.Restart {
		t.Errorf("%q, %v, %+v", kind, systemd, done)
	}
	if _, there := s.files()["/etc/containerd/conf.d/tango-control.toml"]; there {
		t.Error("the control arm is still there")
	}
	s.must(exitFine, "install", "--systemd-cgroup", "false")
	if kind, systemd := s.runtimeOf(dropPath); kind != runtimeType || systemd != false {
		t.Errorf("%q, %v", kind, systemd)
	}
}

func TestInstallElsewhere(t *testing.T) {
	s := newSite(t)
	s.write("/etc/containerd/config.toml", "version = 2\nimports = ['/etc/containerd/conf.d/*.toml']\n"+
		"[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]\noptions = { SystemdCgroup = true }\n")
	if code, _, stderr := s.call("install"); code != exitMissing || !strings.Contains(stderr, "--containerd") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	s.must(exitFine, "install", "--containerd", "2", "--bin-dir", "/opt/tango/bin")
	text := s.files()[dropPath]
	if !strings.Contains(text, `runtime_path = "/opt/tango/bin/`+shimName+`"`) || !strings.Contains(text, "SystemdCgroup = true") {
		t.Error(text)
	}
}

func TestInstallFor17(t *testing.T) {
	s := newSite(t)
	s.write("/etc/containerd/config.toml", "version = 2\n")
	done := s.must(exitSteps, "install", "--containerd", "1.7")
	if len(done.Steps) != 1 || s.files()[dropPath] != "" || done.Restart {
		t.Fatalf("%+v", done)
	}
	snippet := done.Steps[0].Text
	if !strings.Contains(snippet, "'io.containerd.grpc.v1.cri'") || strings.Contains(snippet, "version") {
		t.Error(snippet)
	}
	s.write("/etc/containerd/config.toml", "version = 2\n"+snippet)
	if done := s.must(exitFine, "install", "--containerd", "1.7"); len(done.Steps) != 0 {
		t.Errorf("%+v", done)
	}
}

// A main file that does not import drop-ins is not install's to change.
func TestInstallWithoutImports(t *testing.T) {
	s := newSite(t)
	const main = "version = 3\nroot = '/x'\n"
	s.write("/etc/containerd/config.toml", main)
	done := s.must(exitSteps, "install")
	if len(done.Steps) != 1 || len(done.Steps[0].Commands) != 1 || s.files()["/etc/containerd/config.toml"] != main {
		t.Fatalf("%+v", done)
	}
	command := strings.Replace(done.Steps[0].Commands[0], "/etc/containerd/config.toml", s.root+"/etc/containerd/config.toml", 1)
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	if done := s.must(exitFine, "install"); len(done.Steps) != 0 {
		t.Errorf("%+v", done)
	}
}

// Links in the tree mean what they mean to the machine whose tree it is.
func TestInstallThroughLinks(t *testing.T) {
	s := newSite(t)
	if err := os.MkdirAll(s.root+"/opt/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	s.write("/usr/local/share/x", "")
	if err := os.Symlink("/opt/bin", s.root+"/usr/local/bin"); err != nil {
		t.Fatal(err)
	}
	s.must(exitFine, "install")
	if s.files()["/opt/bin/"+shimName] == "" {
		t.Errorf("%v", s.files())
	}
}

// A run that was cut off after the manifest was written, or after some files were,
// is completed by the next, and taken back by uninstall.
func TestInstallAfterInterruption(t *testing.T) {
	s := newSite(t)
	s.must(exitFine, "install")
	writeFile(t, s.from+"/"+shimName, "\x7fELF shim two", 0o755)
	m, err := stage(s.root).readManifest()
	if err != nil {
		t.Fatal(err)
	}
	m.Files[shimPath] = append(m.Files[shimPath], checksum([]byte("\x7fELF shim two")))
	if err := stage(s.root).writeManifest(m); err != nil {
		t.Fatal(err)
	}
	if got := actions(s.must(exitFine, "install", "--dry-run"))[shimPath]; got != Replace {
		t.Errorf("before the file was written: %s", got)
	}
	writeFile(t, s.root+shimPath, "\x7fELF shim two", 0o755)
	if got := actions(s.must(exitFine, "install"))[shimPath]; got != Keep {
		t.Errorf("after: %s", got)
	}
	s.must(exitFine, "uninstall")
}

func TestInstallFromPackage(t *testing.T) {
	h, _ := good().host(t)
	h.self = "/usr/bin"
	o := installOptions{root: "/", from: "/usr/bin", config: h.config, arm: ArmTango, containerd: "2", systemd: "true", dryRun: true}
	done, err := h.install(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if a := actions(*done); len(a) != 1 || a[filepath.Dir(h.config)+"/conf.d/tango.toml"] != Create {
		t.Errorf("%+v", a)
	}
}

func TestInstallUsage(t *testing.T) {
	for _, args := range [][]string{
		{"install", "--arm", "other"}, {"install", "--containerd", "3"}, {"install", "argument"},
		{"install", "--bin-dir", "relative"}, {"install", "--systemd-cgroup", "perhaps"}, {"uninstall", "--arm", "stock"},
	} {
		if code, stdout, stderr := run(args...); code != exitUsage || stderr == "" || stdout != "" {
			t.Errorf("%q: code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

func TestInstallNeedsPrograms(t *testing.T) {
	s := newSite(t)
	if err := os.Remove(s.from + "/" + shimName); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := s.call("install"); code != exitMissing || !strings.Contains(stderr, "--from") {
		t.Errorf("%d: %s", code, stderr)
	}
	writeFile(t, s.from+"/"+shimName, "#!/bin/sh\n", 0o755)
	if code, _, stderr := s.call("install"); code != exitMissing || !strings.Contains(stderr, "no ELF") {
		t.Errorf("%d: %s", code, stderr)
	}
}

// The restart is run in the stage, as if that were the machine.
func TestInstallRestarts(t *testing.T) {
	s := newSite(t)
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, s.root+"/bin/sh", string(busybox), 0o755)
	writeFile(t, s.root+"/usr/bin/systemctl", "#!/bin/sh\necho \"$@\" >> /called\n", 0o755)
	done := s.must(exitFine, "install", "--restart", "--service", "k3s")
	if !done.Restarted || done.Restart || s.files()["/called"] != "restart k3s\n" {
		t.Errorf("%+v, %q", done, s.files()["/called"])
	}
	s.must(exitFine, "install", "--restart")
	if s.files()["/called"] != "restart k3s\n" {
		t.Error("restarted without a reason")
	}
	writeFile(t, s.root+"/usr/bin/systemctl", "#!/bin/sh\necho no such unit >&2; exit 5\n", 0o755)
	if code, done, stderr := s.call("install", "--arm", "stock", "--restart"); code != exitMissing || !done.Restart || !strings.Contains(stderr, "no such unit") {
		t.Errorf("%d, %+v, %s", code, done, stderr)
	}
}

func TestInstallLock(t *testing.T) {
	s := newSite(t)
	err := stage(s.root).locked(func() error {
		if code, _, stderr := s.call("install"); code != exitMissing || !strings.Contains(stderr, "another install") {
			t.Errorf("%d: %s", code, stderr)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestInstallText(t *testing.T) {
	s := newSite(t)
	_, dry, _ := run("install", "--root", s.root, "--from", s.from, "--dry-run")
	_, first, _ := run("install", "--root", s.root, "--from", s.from)
	_, second, _ := run("install", "--root", s.root, "--from", s.from)
	for text, wants := range map[string][]string{
		dry:    {"would create  " + dropPath},
		first:  {"created  " + dropPath, "systemctl restart containerd.service"},
		second: {"as it is", "need not be restarted"},
	} {
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
}

// A containerd that began before the configuration is restarted by whoever installs,
// also when the files are as they should be.
func TestInstallSeesOldContainerd(t *testing.T) {
	h, dir := good().host(t)
	h.config = defaultConfig
	for name, text := range map[string]string{
		"stat": "cpu 0\nbtime 1000\n", "77/comm": "containerd\n", "77/cmdline": "/usr/bin/containerd\x00",
		"77/stat": "77 (containerd) S 1 " + strings.Repeat("0 ", 17) + "5000 0 0\n", // 50 s after boot
	} {
		writeFile(t, filepath.Join(h.roots.Proc, name), text, 0o644)
	}
	for at, want := range map[int64]bool{1049: false, 1051: true} {
		if got := h.startedBefore("containerd", seconds(at)); got != want {
			t.Errorf("at %d: %v", at, got)
		}
	}
	writeFile(t, filepath.Join(h.roots.Proc, "77/cmdline"), "containerd\x00--config=/elsewhere\x00", 0o644)
	if h.startedBefore("containerd", seconds(1051)) {
		t.Error("counts another containerd", dir)
	}
}

// containerd itself reads what is installed.
func TestInstallReadByContainerd(t *testing.T) {
	program, err := filepath.Abs("../../bin/tools/containerd")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("NOT TESTED: needs bin/tools/containerd (make tools)")
	}
	s := newSite(t)
	s.write(mainPath, "version = 3\nimports = ['conf.d/*.toml']\n"+
		"[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\nruntime_type = 'io.containerd.runc.v2'\n")
	s.must(exitFine, "install", "--control")
	out, err := exec.Command(program, "--config", s.root+mainPath, "config", "dump").Output()
	if err != nil {
		t.Fatal(err)
	}
	var part configFile
	if err := toml.NewDecoder(bytes.NewReader(out)).Decode(&part); err != nil {
		t.Fatal(err)
	}
	all := table(table(table(part.Plugins, criPlugin(part.Version)), "containerd"), "runtimes")
	for name, want := range map[string]string{"tango": runtimeType, "tango-control": stockType, "runc": stockType} {
		if got := table(all, name)["runtime_type"]; got != want {
			t.Errorf("runtime %s has type %v", name, got)
		}
	}
}
