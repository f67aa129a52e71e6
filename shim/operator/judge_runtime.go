package operator

import (
	"fmt"
	"path/filepath"
	"strings"
)

// judgeRuntime wants a runtime in containerd's configuration, if that could be
// read.
func (h host) judgeRuntime(r *Report) *Finding {
	c := r.Containerd.Config
	if len(c.Runtimes) > 0 || c.Problem != "" {
		return nil
	}
	f := &Finding{
		Level: Missing,
		What:  "No runtime of containerd's has the type " + runtimeType,
		Why: "Kubernetes reaches tango by a runtime and a RuntimeClass of the same name; ctr needs none. " +
			"Containers go on running while containerd restarts.",
		Commands: []string{addRuntime(r)},
	}
	if install := h.installCommand(r); install != "" {
		f.Commands = []string{install}
		f.Why += " With --dry-run tango install only says what it would do; tango uninstall takes it back."
		return f
	}
	if r.Cgroups.Systemd {
		f.Commands = append(f.Commands, "systemctl restart containerd")
	} else {
		f.Why += " Restart it when this is done."
	}
	return f
}

// installCommand is the one that puts the shim in place and adds a runtime; none
// where the shim isn't beside this command, and for containerd 1.7, whose main file
// tango install does not write.
func (h host) installCommand(r *Report) string {
	major, _, ok := r.Containerd.Program.release()
	if !ok || major < 2 || r.Containerd.Config.Problem != "" || !executable(filepath.Join(h.self, shimName)) {
		return ""
	}
	command := "tango"
	if beside := filepath.Join(h.self, command); h.lookPath(command) != beside {
		command = quote(beside)
	}
	command += " install"
	if r.Containerd.Config.File != defaultConfig {
		command += " --config " + quote(r.Containerd.Config.File)
	}
	if r.Cgroups.Systemd {
		command += " --restart"
	}
	return command
}

// addRuntime is the command that adds a runtime to the main file. It does not use
// a drop-in: containerd 1.7 replaces the whole table of a plugin by one.
func addRuntime(r *Report) string {
	c := r.Containerd.Config
	var lines []string
	version := c.Version
	if !c.Found {
		version = newConfigVersion(r.Containerd.Program)
		lines = append(lines, fmt.Sprintf("version = %d", version))
	}
	lines = append(lines,
		fmt.Sprintf("[plugins.'%s'.containerd.runtimes.tango]", criPlugin(version)),
		fmt.Sprintf("runtime_type = '%s'", runtimeType))
	if r.Cgroups.Systemd {
		lines = append(lines, "options = { SystemdCgroup = true }")
	}
	var b strings.Builder
	if !c.Found {
		fmt.Fprintf(&b, "mkdir -p %s\n", quote(filepath.Dir(c.File)))
	}
	b.WriteString("printf '%s\\n' \\\n")
	for _, line := range lines {
		fmt.Fprintf(&b, "  \"%s\" \\\n", line)
	}
	fmt.Fprintf(&b, "  >> %s", quote(c.File))
	return b.String()
}

// newConfigVersion is the version of a file that this containerd reads without
// having to convert it.
func newConfigVersion(p Program) int {
	if major, _, ok := p.release(); ok && major < 2 {
		return 2
	}
	return 3
}

func judgeCgroupDriver(r *Report) *Finding {
	if !r.Cgroups.Systemd {
		return nil
	}
	for _, runtime := range r.Containerd.Config.Runtimes {
		if !runtime.SystemdCgroup {
			return &Finding{
				Level: Choice,
				What:  fmt.Sprintf("Runtime %q makes cgroups without systemd", runtime.Name),
				Why: fmt.Sprintf("systemd runs this machine, and two writers to one tree get in each other's way. "+
					"Where kubelet's cgroupDriver is systemd, the runtime in %s needs: options = { SystemdCgroup = true }", runtime.File),
			}
		}
	}
	return nil
}
