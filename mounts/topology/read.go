package topology

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Roots says where the kernel's filesystems are mounted.
type Roots struct {
	Sys  string // "/sys" if empty
	Proc string // "/proc" if empty
}

func (r Roots) withDefaults() Roots {
	if r.Sys == "" {
		r.Sys = "/sys"
	}
	if r.Proc == "" {
		r.Proc = "/proc"
	}
	return r
}

// Read looks at the machine. Only the list of online CPUs must be there: what
// else a kernel, firmware or hypervisor does not tell is left out. A file that
// is there and makes no sense is an error.
//
// It opens about ten small files a CPU, which takes some milliseconds on a large
// machine.
func Read(roots Roots) (*Machine, error) {
	return read(roots, (*Machine).readCPUs, (*Machine).readNodes, (*Machine).readTopology, (*Machine).readCaches, (*Machine).readLimits)
}

// ReadNodes is [Read] without cores, sockets and caches, for who needs to know no
// more than the nodes: it opens some files a node, and none a CPU.
func ReadNodes(roots Roots) (*Machine, error) {
	return read(roots, (*Machine).readCPUs, (*Machine).readNodes, (*Machine).readLimits)
}

func read(roots Roots, parts ...func(*Machine, Roots) error) (*Machine, error) {
	roots = roots.withDefaults()
	m := &Machine{}
	for _, part := range parts {
		if err := part(m, roots); err != nil {
			return nil, fmt.Errorf("cannot read the machine's topology: %w", err)
		}
	}
	return m, nil
}

// Several tells whether more than one NUMA node has CPUs that run, by one file
// (node/has_cpu, Linux 2.6.24). A kernel that doesn't say has one node.
func Several(roots Roots) bool {
	set, err := readSet(filepath.Join(roots.withDefaults().Sys, "devices/system/node"), "has_cpu")
	return err == nil && set.Len() > 1
}

// readCPUs finds which CPUs there are. The kernel's own list of offline CPUs is
// of no use: it holds all that could ever be plugged in.
func (m *Machine) readCPUs(roots Roots) error {
	dir := filepath.Join(roots.Sys, "devices/system/cpu")
	online, err := readText(dir, "online")
	if err != nil {
		return err
	}
	if m.online, err = ParseCPUSet(online); err != nil {
		return err
	}
	present, err := readSet(dir, "present")
	if err != nil {
		return err
	}
	m.offline = present.Minus(m.online)
	m.smt, err = readOptional(dir, "smt/control")
	return err
}

// readText reads a small file without the white space around its text.
func readText(elem ...string) (string, error) {
	b, err := os.ReadFile(filepath.Join(elem...))
	return strings.TrimSpace(string(b)), err
}

// readOptional is readText, and empty where there is no such file.
func readOptional(elem ...string) (string, error) {
	text, err := readText(elem...)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return text, err
}

// readSet reads a list, empty where there is no such file.
func readSet(elem ...string) (CPUSet, error) {
	text, err := readOptional(elem...)
	if err != nil {
		return CPUSet{}, err
	}
	set, err := ParseCPUSet(text)
	if err != nil {
		return CPUSet{}, fmt.Errorf("%s: %w", filepath.Join(elem...), err)
	}
	return set, nil
}

// readNumber reads a decimal number and what follows it; absent without a file.
func readNumber(elem ...string) (n int64, unit string, found bool, err error) {
	text, err := readOptional(elem...)
	if err != nil || text == "" {
		return 0, "", false, err
	}
	digits := strings.TrimRight(text, "KMG")
	n, err = strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, "", false, fmt.Errorf("cannot read %s: %q is not a number", filepath.Join(elem...), text)
	}
	return n, text[len(digits):], true, nil
}
