package operator

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tango/mounts/pidref"
)

// Process is one of tango's own processes.
type Process struct {
	Pid int `json:"pid"`
	// Kind is "shim", "service", or "warm" for a shim that waits for a pod.
	Kind string `json:"kind"`
	// Namespace and ID are of a shim: containerd's namespace, and the container
	// that it was started for, in a pod its sandbox.
	Namespace string `json:"namespace,omitempty"`
	ID        string `json:"id,omitempty"`
	// Bundle is of the container that the shim was started for.
	Bundle string `json:"bundle,omitempty"`
	Memory Memory `json:"memory"`
}

// Memory of a process, in bytes.
type Memory struct {
	RSS uint64 `json:"rss"`
	PSS uint64 `json:"pss"` // what it shares counts by its part of it; 0: not told
}

func (m Memory) plus(o Memory) Memory { return Memory{RSS: m.RSS + o.RSS, PSS: m.PSS + o.PSS} }

// The kinds of processes.
const (
	kindShim    = "shim"
	kindService = "service"
	kindWarm    = "warm"
)

// processes lists tango's processes on this host: those that hold what the run
// directory says is shared. Each has an entry there, whatever it is called.
func processes(runDir string) []Process {
	var list []Process
	for _, pid := range holderPids(runDir) {
		if p, ok := process(pid); ok {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Process) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Pid, b.Pid))
	})
	return list
}

func holderPids(runDir string) []int {
	var pids []int
	for _, kind := range []string{"exe", "mnt"} {
		dirs, _ := filepath.Glob(filepath.Join(runDir, kind, "*"))
		for _, dir := range dirs {
			pids = append(pids, pidref.Dir(dir).Holders()...)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// process looks at one; false if it has gone meanwhile.
func process(pid int) (Process, bool) {
	p := Process{Pid: pid, Kind: kindService}
	line, err := os.ReadFile(procPath(pid, "cmdline"))
	if err != nil {
		return p, false
	}
	args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	p.Namespace, p.ID = flagValue(args, "-namespace"), flagValue(args, "-id")
	switch {
	case p.ID != "":
		p.Kind = kindShim
	case len(args) > 1 && args[1] == kindWarm:
		p.Kind = kindWarm
	}
	if p.Kind == kindShim {
		p.Bundle, _ = os.Readlink(procPath(pid, "cwd"))
	}
	p.Memory = memoryOf(pid)
	return p, true
}

func procPath(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }

// flagValue finds what follows a flag.
func flagValue(args []string, flag string) string {
	if i := slices.Index(args, flag); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

// memoryOf asks the kernel for the sums over all mappings (Linux 4.14).
func memoryOf(pid int) Memory {
	data, err := os.ReadFile(procPath(pid, "smaps_rollup"))
	if err != nil {
		return Memory{}
	}
	return Memory{RSS: kilobytes(data, "Rss:"), PSS: kilobytes(data, "Pss:")}
}

// kilobytes reads a line such as "Rss:   123 kB", in bytes.
func kilobytes(data []byte, name string) uint64 {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == name {
			n, _ := strconv.ParseUint(fields[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// parentOf is the parent of a process; 0 if it is gone.
func parentOf(pid int) int {
	data, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// mountsOf counts the mounts that a process sees.
func mountsOf(pid int) int {
	data, err := os.ReadFile(procPath(pid, "mountinfo"))
	if err != nil {
		return 0
	}
	return bytes.Count(data, []byte("\n"))
}
