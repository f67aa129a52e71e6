package operator

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	runtimeType = "io.containerd.tango.v2"
	shimName    = "containerd-shim-tango-v2"
)

// Containerd is containerd as it is found: its program, its configuration on
// disk, and the shim that it would find. Whether it runs, and with another
// configuration, is not asked.
type Containerd struct {
	Program Program `json:"program"`
	Shim    Program `json:"shim"`
	Config  Config  `json:"config"`
}

// Program is a program that was found and asked for its version.
type Program struct {
	Path    string `json:"path,omitempty"` // empty: not found
	Version string `json:"version,omitempty"`
	Problem string `json:"problem,omitempty"` // why there is no version
}

func (h host) containerd(ctx context.Context) Containerd {
	c := Containerd{Config: readConfig(h.config)}
	c.Program.Path = h.lookPath("containerd")
	c.Program.ask(ctx, "--version", containerdVersion)
	c.Shim.Path = h.findShim(c.Program.Path)
	c.Shim.ask(ctx, "-v", shimVersion)
	return c
}

// findShim looks where containerd does: in PATH, then beside its own program.
func (h host) findShim(containerd string) string {
	if path := h.lookPath(shimName); path != "" || containerd == "" {
		return path
	}
	if real, err := filepath.EvalSymlinks(containerd); err == nil {
		containerd = real
	}
	if path := filepath.Join(filepath.Dir(containerd), shimName); executable(path) {
		return path
	}
	return ""
}

// answerWithin is how long a program may take to say its version.
const answerWithin = 10 * time.Second

// ask runs the program, if there is one, for its version.
func (p *Program) ask(ctx context.Context, flag string, parse func(string) string) {
	if p.Path == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	out, err := exec.CommandContext(ctx, p.Path, flag).Output()
	if err != nil {
		p.Problem = fmt.Sprintf("cannot run %s %s: %v", p.Path, flag, err)
		return
	}
	if p.Version = parse(string(out)); p.Version == "" {
		p.Problem = fmt.Sprintf("cannot find a version in what %s %s says", p.Path, flag)
	}
}

// containerdVersion reads "containerd MODULE VERSION REVISION".
func containerdVersion(text string) string {
	if words := strings.Fields(text); len(words) > 2 {
		return words[2]
	}
	return ""
}

// shimVersion reads the line "Version: VERSION".
func shimVersion(text string) string {
	for line := range strings.Lines(text) {
		if v, found := strings.CutPrefix(strings.TrimSpace(line), "Version:"); found {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// release is the program's major and minor version.
func (p Program) release() (major, minor int, ok bool) {
	n, err := fmt.Sscanf(strings.TrimPrefix(p.Version, "v"), "%d.%d", &major, &minor)
	return major, minor, n == 2 && err == nil
}
