package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is what the numbers were measured on.
type machine struct {
	Kernel    string  `json:"kernel"`
	Processor string  `json:"processor"`
	CPUs      int     `json:"cpus"`
	MemoryGiB float64 `json:"memory_gib"`
	Load      float64 `json:"load"` // of the minute before the run
}

func (m machine) String() string {
	return fmt.Sprintf("Linux %s, %d CPUs (%s), %.0f GiB of memory, load %.1f before the run", m.Kernel, m.CPUs, m.Processor, m.MemoryGiB, m.Load)
}

// busy reports whether other work has had a part of the processors that shows.
func (m machine) busy() bool { return m.Load > 0.5*float64(m.CPUs) }

func describeMachine() (machine, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return machine{}, err
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return machine{}, err
	}
	return machine{
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

// versions returns what the programs say of themselves: name and version.
func (b *bench) versions() [][]string {
	var found [][]string
	for _, c := range [][]string{
		{shims[tango], "-v"}, {shims[stock], "-v"}, {"runc", "--version"}, {"containerd", "--version"},
	} {
		version := "unknown"
		if program, err := b.node.Tool(c[0]); err == nil {
			if out, err := exec.Command(program, c[1]).Output(); err == nil {
				version = strings.TrimLeft(strings.TrimPrefix(strings.Join(strings.Fields(string(out)), " "), c[0]), ": ")
			}
		}
		found = append(found, []string{c[0], version})
	}
	return found
}
