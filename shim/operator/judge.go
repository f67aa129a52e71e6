package operator

import (
	"fmt"
	"slices"
	"strings"

	"tango/mounts/kernel"
)

// judge says what to do about the facts, what is missing first.
func (h host) judge(r *Report) []Finding {
	list := []Finding{}
	for _, one := range []*Finding{
		judgeProbes(r), judgeUserNamespaces(r.Kernel), judgeLayers(r.Kernel),
		h.judgeContainerd(r.Containerd.Program), h.judgeShim(r),
		judgeConfig(r.Containerd.Config), h.judgeRuntime(r), judgeCgroupDriver(r),
		judgeFavorDynMods(r.Cgroups), judgeSockets(r), judgeSMT(r.Machine),
	} {
		if one != nil {
			list = append(list, *one)
		}
	}
	slices.SortStableFunc(list, func(a, b Finding) int { return rank(a.Level) - rank(b.Level) })
	return list
}

func rank(l Level) int { return slices.Index([]Level{Missing, Choice}, l) }

func judgeProbes(r *Report) *Finding {
	unknown := r.Kernel.unknown()
	if len(unknown) == 0 {
		return nil
	}
	f := &Finding{Level: Missing, What: fmt.Sprintf("%d kernel abilities could not be found out", len(unknown))}
	if !r.Root {
		f.Why = "Only root may try them."
		f.Commands = []string{"sudo tango doctor"}
		return f
	}
	f.Why = "Something forbids the calls: seccomp, a security module, or a container around this command. " +
		"Ask on the host itself. The first one said: " + unknown[0].Problem
	return f
}

func judgeUserNamespaces(k Kernel) *Finding {
	for _, f := range []*kernel.Feature{kernel.IDMappedMounts, kernel.OverlayIDMappedLayers} {
		if k.answer(f) == No {
			return &Finding{
				Level: Missing,
				What:  "This kernel can't start containers in user namespaces",
				Why: fmt.Sprintf("It has no %s: pods with hostUsers: false fail, others start. Boot Linux %s or later.",
					f.Name, kernel.OverlayIDMappedLayers.Since),
			}
		}
	}
	return nil
}

func judgeLayers(k Kernel) *Finding {
	if k.answer(kernel.LowerdirPlus) != No {
		return nil
	}
	return &Finding{
		Level: Choice,
		What:  "All layers of an image must fit into one page of 4 KiB",
		Why: fmt.Sprintf("This kernel has no %s. Images of many layers may not start. Linux %s and later have no such limit.",
			kernel.LowerdirPlus.Name, kernel.LowerdirPlus.Since),
	}
}

// installers are how distributions install containerd, by their package manager.
var installers = []struct{ manager, command string }{
	{"apt-get", "apt-get install containerd"},
	{"dnf", "dnf install containerd"},
	{"zypper", "zypper install containerd"},
	{"pacman", "pacman -S containerd"},
	{"apk", "apk add containerd"},
}

func (h host) judgeContainerd(p Program) *Finding {
	if p.Path == "" {
		return h.noContainerd()
	}
	if p.Problem != "" {
		return &Finding{Level: Missing, What: "containerd does not say its version", Why: p.Problem + "."}
	}
	major, minor, ok := p.release()
	if !ok || major > 1 || major == 1 && minor >= 7 {
		return nil
	}
	return &Finding{
		Level: Missing,
		What:  "containerd " + p.Version + " is too old",
		Why:   "tango is made for containerd 1.7 and later.",
	}
}

func (h host) noContainerd() *Finding {
	f := &Finding{
		Level: Missing,
		What:  "There is no containerd in PATH",
		Why:   "tango is a part that containerd executes. Get 1.7 or later, from the distribution or from https://containerd.io/downloads/.",
	}
	for _, i := range installers {
		if h.lookPath(i.manager) != "" {
			f.Commands = []string{i.command}
			break
		}
	}
	return f
}

func (h host) judgeShim(r *Report) *Finding {
	c := r.Containerd
	if c.Shim.Path != "" && c.Shim.Problem == "" {
		return nil
	}
	f := &Finding{
		Level:    Missing,
		What:     "containerd would not find " + shimName,
		Why:      "It looks in PATH, then beside its own program.",
		Commands: []string{"make build", "install -m 0755 bin/" + shimName + " /usr/local/bin/"},
	}
	if c.Shim.Path != "" {
		f.What, f.Why = shimName+" does not run", c.Shim.Problem+"."
	}
	if install := h.installCommand(r); install != "" {
		f.Commands = []string{install}
	} else if beside := h.self + "/" + shimName; beside != c.Shim.Path && executable(beside) {
		f.Commands = []string{"install -m 0755 " + quote(beside) + " \\\n  /usr/local/bin/"}
	}
	return f
}

func judgeConfig(c Config) *Finding {
	if c.Problem == "" {
		return nil
	}
	return &Finding{
		Level:    Missing,
		What:     "containerd's configuration can't be read",
		Why:      c.Problem + ".",
		Commands: []string{"containerd --config " + quote(c.File) + " config dump"},
	}
}

// quote makes one shell word of a path.
func quote(path string) string {
	plain := func(r rune) bool {
		return r < 0x80 && (r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("/._-+", r))
	}
	if strings.IndexFunc(path, func(r rune) bool { return !plain(r) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
