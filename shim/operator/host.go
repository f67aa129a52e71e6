package operator

import (
	"context"
	"os"
	"path/filepath"

	"tango/mounts/kernel"
	"tango/mounts/topology"
)

// defaultConfig is where containerd reads its configuration unless it is told.
const defaultConfig = "/etc/containerd/config.toml"

// host says where to look.
type host struct {
	roots  topology.Roots
	config string   // containerd's configuration file
	path   []string // directories of programs
	self   string   // the directory that this program is in
	root   bool     // asked by root
	probe  func() []Ability
}

// thisHost is the machine that the command runs on.
func thisHost() host {
	h := host{
		roots:  topology.Roots{Sys: "/sys", Proc: "/proc"},
		config: defaultConfig,
		path:   filepath.SplitList(os.Getenv("PATH")),
		root:   os.Geteuid() == 0,
		probe:  func() []Ability { return ask(kernel.All()) },
	}
	// Without it there is one place less to find the shim in.
	if exe, err := os.Executable(); err == nil {
		h.self = filepath.Dir(exe)
	}
	return h
}

// examine gathers all facts, then the findings.
func (h host) examine(ctx context.Context) (*Report, error) {
	version, _ := buildVersion()
	r := &Report{Version: version, Root: h.root}
	var err error
	if r.Kernel, err = h.kernel(); err != nil {
		return nil, err
	}
	r.Ways = waysOf(r.Kernel)
	if r.Machine, err = h.machine(); err != nil {
		return nil, err
	}
	if r.Cgroups, err = h.cgroups(); err != nil {
		return nil, err
	}
	r.Containerd = h.containerd(ctx)
	r.Findings = h.judge(r)
	return r, nil
}

// lookPath finds a program, "" if there is none.
func (h host) lookPath(name string) string {
	for _, dir := range h.path {
		file := filepath.Join(dir, name)
		if executable(file) {
			return file
		}
	}
	return ""
}

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
