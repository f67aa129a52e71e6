package operator

import (
	"fmt"
	"strings"
)

func (c Cgroups) write(p *page) {
	p.heading("Cgroups")
	p.item("version", c.versionText())
	if c.Systemd {
		p.item("driver", "systemd runs this machine: SystemdCgroup = true for runtimes, cgroupDriver: systemd for kubelet")
	} else {
		p.item("driver", "cgroupfs: systemd does not run this machine")
	}
	p.item(favorOption, map[FavorDynMods]string{
		FavorOn:   "on: entering a cgroup does not wait",
		FavorOff:  "off: the first write to a cgroup.procs waits for an RCU grace period",
		FavorNone: "not known to this kernel: entering a cgroup never waits",
	}[c.FavorDynMods])
}

func (c Cgroups) versionText() string {
	v2, _ := c.v2()
	switch c.Version {
	case "v1 and v2":
		return "v1 has the controllers, v2 is beside it on " + v2.Target
	case "v2":
		return "v2 on " + v2.Target
	case "":
		return "none is mounted"
	default:
		return c.Version
	}
}

func (c Containerd) write(p *page) {
	p.heading("containerd")
	p.item("program", c.Program.text())
	p.item("shim", c.Shim.text())
	p.item("config", c.Config.text())
	for _, r := range c.Config.Runtimes {
		p.item("runtime", r.text())
	}
}

func (p Program) text() string {
	switch {
	case p.Path == "":
		return "not found"
	case p.Problem != "":
		return p.Path + ", version unknown"
	default:
		return p.Path + ", version " + p.Version
	}
}

func (c Config) text() string {
	switch {
	case c.Problem != "":
		return c.File + " can't be read in full"
	case !c.Found:
		return c.File + " is not there: containerd's defaults hold"
	}
	text := fmt.Sprintf("%s, version %d", c.File, c.Version)
	if len(c.Imports) > 0 {
		text += ", with " + strings.Join(c.Imports, ", ")
	}
	return text
}

func (r Runtime) text() string {
	driver := "cgroupfs"
	if r.SystemdCgroup {
		driver = "systemd cgroups"
	}
	return fmt.Sprintf("%s: %s, %s", r.Name, runtimeType, driver)
}

func (r *Report) writeFindings(p *page) {
	missing, choices := r.count(Missing), r.count(Choice)
	p.heading(fmt.Sprintf("Missing: %d. Yours to choose: %d.", missing, choices))
	for i, f := range r.Findings {
		p.WriteByte('\n')
		p.wrap(fmt.Sprintf("%3d. ", i+1), "     ", fmt.Sprintf("[%s] %s", f.Level, f.What))
		p.wrap("     ", "     ", f.Why)
		for _, c := range f.Commands {
			p.verbatim("       ", c)
		}
	}
}
