package operator

import (
	"slices"
	"strings"
)

// judgeFavorDynMods names the way out of waiting for RCU at every start. Taking
// it is left to the operator: forks and exits of the whole machine pay for it.
//
// Kernel sources: cgroup_favor_dynmods; commits 6a010a49b63a (6.0, the option),
// 9b81d3a5be05 (6.7, the boot parameter), 0568f89d4fb8 (6.18, a lock for each
// process, from which there is no way back).
func judgeFavorDynMods(c Cgroups) *Finding {
	if c.FavorDynMods != FavorOff {
		return nil
	}
	f := &Finding{
		Level: Choice,
		What:  "What enters a cgroup waits for the kernel",
		Why: "The first write to a cgroup.procs in a while waits for an RCU grace period: 10 ms, when measured on Linux 6.18. " +
			"tango lets that time pass beside its other work; containerd, kubelet and runc wait. " +
			"The mount option favordynmods ends it for the whole machine; forks and exits get a little dearer. " +
			"From Linux 6.18 on it can't be taken back before the next boot. ",
	}
	m, mounted := c.v2()
	if !mounted {
		f.Why += "Hierarchies of v1 only take it at boot: cgroup_favordynmods=true on the kernel's command line (Linux 6.7)."
		return f
	}
	f.Why += "Lasting: cgroup_favordynmods=true on the kernel's command line (Linux 6.7)."
	f.Commands = []string{remount(m)}
	return f
}

// remount is the command that adds the option. It names all others, because what a
// remount does not name is turned off.
func remount(m CgroupMount) string {
	options := []string{favorOption}
	for _, o := range m.Options {
		if o != "rw" && o != "ro" {
			options = append(options, o)
		}
	}
	slices.Sort(options)
	return "mount -o remount," + strings.Join(m.Flags, ",") + " \\\n  -o " + strings.Join(options, ",") + " " + quote(m.Target)
}

// judgeSockets names a way to keep mount work on one socket. Only systemd on v2 has
// a command that lasts.
func judgeSockets(r *Report) *Finding {
	if r.Machine.Contention.Class != Worst {
		return nil
	}
	f := &Finding{
		Level: Choice,
		What:  "Mount work of all sockets contends for the same locks",
		Why: "Netflix saw starts in bursts get better when pinned to one socket, and best on single-socket machines: " +
			"send pods that start in bursts to such a node pool.",
	}
	if r.Cgroups.Systemd && r.Cgroups.Version == "v2" {
		f.Why += " Or keep containerd and its shims on one socket; pods in kubepods.slice keep all CPUs."
		f.Commands = []string{"systemctl set-property containerd.service \\\n  AllowedCPUs=" + r.Machine.Sockets[0].CPUs}
	}
	return f
}

func judgeSMT(m Machine) *Finding {
	if m.Threads < 2 {
		return nil
	}
	f := &Finding{
		Level: Choice,
		What:  "SMT makes contention for mount locks worse",
		Why: "Netflix measured 20 to 30 % better with it off. All other work loses the second threads: measure yours first. " +
			"It lasts until the next boot; nosmt on the kernel's command line keeps it.",
	}
	if m.SMT == "on" {
		f.Commands = []string{"echo off > /sys/devices/system/cpu/smt/control"}
	} else {
		f.Why = "Netflix measured 20 to 30 % better with it off. Only the firmware or the hypervisor can turn it off here."
	}
	return f
}
