// Package machine says what measurements were made on.
package machine

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is what numbers were measured on.
type Machine struct {
	Kernel    string  `json:"kernel"`
	Processor string  `json:"processor"`
	CPUs      int     `json:"cpus"`
	MemoryGiB float64 `json:"memory_gib"`
	Load      float64 `json:"load"` // of the minute before the run
}

// String is one line for people.
func (m Machine) String() string {
	return fmt.Sprintf("Linux %s, %d CPUs (%s), %.0f GiB of memory, load %.1f before the run", m.Kernel, m.CPUs, m.Processor, m.MemoryGiB, m.Load)
}

// Busy reports whether other work has had a part of the processors that shows.
func (m Machine) Busy() bool { return m.Load > 0.5*float64(m.CPUs) }

// Describe looks at the machine as it is now.
func Describe() (Machine, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return Machine{}, err
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return Machine{}, err
	}
	return Machine{
		Kernel: unix.ByteSliceToString(name.Release[:]), Processor: processor(), CPUs: runtime.NumCPU(),
		MemoryGiB: float64(info.Totalram) * float64(info.Unit) / (1 << 30),
		Load:      float64(info.Loads[0]) / (1 << 16), // SI_LOAD_SHIFT
	}, nil
}

// processor returns the model's name, or the architecture where none is told.
func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(data)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
