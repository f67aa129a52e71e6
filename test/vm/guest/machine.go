package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"tango/test/vm/job"
)

// checkMachine compares the guest with what its row of the matrix says it is, so
// that no row can quietly test something else.
func checkMachine(r *reporter, m job.Machine) {
	check := func(what string, got, want any) {
		e := job.Event{Kind: job.Check, Text: fmt.Sprintf("%s is %v", what, got), Failed: got != want}
		if e.Failed {
			e.Text += fmt.Sprintf(", not %v", want)
		}
		r.send(e)
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	check("kernel "+strings.TrimSpace(string(release))+" a "+m.Kernel, strings.HasPrefix(string(release), m.Kernel+"."), true)
	check("number of CPUs", count("/sys/devices/system/cpu/cpu[0-9]*"), m.CPUs)
	check("number of nodes", count("/sys/devices/system/node/node[0-9]*"), m.Nodes)
	check("number of nodes without memory", m.Nodes-len(list("/sys/devices/system/node/has_memory")), m.EmptyNodes)
	check("number of threads in a core", len(list("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list")), m.Threads)
	check("cgroup version", cgroupVersion(), m.Cgroup)
	check("systemd as PID 1", comm(1) == "systemd", m.Systemd)
	if m.AppArmor {
		b, _ := os.ReadFile("/sys/kernel/security/apparmor/profiles")
		check("profile "+job.Profile+" loaded", strings.Contains(string(b), job.Profile+" (enforce)"), true)
	}
	enforced, _ := os.ReadFile(selinuxRoot + "/enforce")
	check("SELinux enforces", string(enforced) == "1", m.SELinux)
}

func count(pattern string) int {
	files, _ := filepath.Glob(pattern)
	return len(files)
}

// list reads a file in the kernel's list format, such as 0-3,8.
func list(path string) []int {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var all []int
	for part := range strings.SplitSeq(strings.TrimSpace(string(b)), ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		if err != nil {
			continue
		}
		last := first
		if isRange {
			last, _ = strconv.Atoi(to)
		}
		for n := first; n <= last; n++ {
			all = append(all, n)
		}
	}
	return all
}

// cgroupVersion is 2 where the memory and pids controllers are on the unified
// hierarchy, 1 where a v1 hierarchy has them, 0 otherwise.
func cgroupVersion() int {
	b, err := os.ReadFile(cgroupRoot + "/cgroup.controllers")
	if err == nil && strings.Contains(string(b), "memory") && strings.Contains(string(b), "pids") {
		return 2
	}
	if count(cgroupRoot+"/memory/memory.limit_in_bytes")+count(cgroupRoot+"/pids/cgroup.procs") == 2 {
		return 1
	}
	return 0
}

func comm(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(b))
}
