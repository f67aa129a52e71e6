package harness

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process is a process that belongs to a node.
type Process struct {
	PID     int
	Command string // command line with spaces between the arguments
}

// Processes returns every process that descends from the node's containerd,
// without containerd itself: shims, what shims started, and the containers'
// processes. Those that ended while it looked are left out.
func (n *Node) Processes() ([]Process, error) {
	all, err := everybody()
	var found []Process
	for _, p := range all {
		if p.PID == os.Getpid() || n.daemon != nil && p.PID == n.daemon.Process.Pid {
			continue
		}
		if n.owns(procDir(p.PID)) {
			found = append(found, p)
		}
	}
	return found, err
}

// everybody returns the machine's processes.
func everybody() ([]Process, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var found []Process
	for _, dir := range dirs {
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			found = append(found, Process{PID: pid, Command: commandLine(dir)})
		}
	}
	return found, nil
}

func procDir(pid int) string { return fmt.Sprintf("/proc/%d", pid) }

// Family returns the process ids of containerd and of all that Processes finds: who
// follows a container's making has to look at what was there before it, too.
func (n *Node) Family() ([]int, error) {
	pids := []int{n.DaemonPID()}
	others, err := n.Processes()
	for _, p := range others {
		pids = append(pids, p.PID)
	}
	return pids, err
}

// owns reports whether the process belongs to the node, by the marker in its
// environment, by its cgroup, or, of somebody else's containerd, by the namespace that
// shims are told. Errors mean that it has ended.
func (n *Node) owns(dir string) bool {
	environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
	if bytes.Contains(environ, []byte(markerEnv+"="+n.dir+"\x00")) {
		return true
	}
	if n.lent != nil && n.lent.claimed && strings.Contains(commandLine(dir), " -namespace "+n.lent.Namespace+" ") {
		return true
	}
	cgroups, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
	return strings.Contains(string(cgroups), ":"+n.CgroupParent()+"/")
}

func commandLine(dir string) string {
	data, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
	return strings.TrimSpace(string(bytes.ReplaceAll(data, []byte{0}, []byte{' '})))
}

// Shims returns the node's serving shims: those processes whose command line
// names a containerd shim and the node's socket, or its namespace.
func (n *Node) Shims() ([]Process, error) {
	all, err := n.Processes()
	var shims []Process
	for _, p := range all {
		if strings.Contains(p.Command, n.shimMark()) && strings.Contains(p.Command, "-id ") {
			shims = append(shims, p)
		}
	}
	return shims, err
}

// shimMark is in the command lines of the node's shims: which containerd they are of,
// or, where others use it, which namespace.
func (n *Node) shimMark() string {
	if n.lent != nil {
		return "-namespace " + n.lent.Namespace + " "
	}
	return "-address " + n.Address()
}

// FDs returns what the open file descriptors of a process are, by number.
func FDs(pid int) (map[string]string, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	fds := make(map[string]string)
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil { // else it was closed meanwhile
			fds[e.Name()] = target
		}
	}
	return fds, nil
}
