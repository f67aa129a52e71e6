package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// version is a release of containerd.
type version struct {
	name   string // as the module proxy has it
	module string
	config int // version of the configuration file that it reads
	pinned bool
}

// versions are the newest releases of each line that has still been maintained
// when this was written, the pinned one last: that is what all other tests use.
var versions = []version{
	{name: "v1.7.35", module: "github.com/containerd/containerd", config: 2},
	{name: "v2.0.14", module: "github.com/containerd/containerd/v2", config: 2},
	{name: "v2.1.9", module: "github.com/containerd/containerd/v2", config: 2},
	{name: "v2.2.9", module: "github.com/containerd/containerd/v2", config: 2},
	{name: "v2.3.7", module: "github.com/containerd/containerd/v2", config: 2},
	{name: "v2.4.2", config: 4, pinned: true},
}

func (v version) String() string { return v.name }

// binary returns the version's containerd, which it builds if that isn't there.
func (v version) binary(ctx context.Context) (string, error) {
	tree, err := sourceTree()
	if err != nil {
		return "", err
	}
	if v.pinned {
		return v.fromTools(ctx, filepath.Join(tree, "bin/tools/containerd"))
	}
	dir := filepath.Join(tree, "bin/tools/compat", v.name)
	program := filepath.Join(dir, "containerd")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	fmt.Printf("building containerd %s (once)\n", v.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return program, v.build(ctx, program)
}

// fromTools returns the containerd that the other tests run, which must be of this
// version.
func (v version) fromTools(ctx context.Context, program string) (string, error) {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("cannot run %s (make tools builds it): %w", program, err)
	}
	if !slices.Contains(strings.Fields(string(out)), v.name) {
		return "", fmt.Errorf("%s is not %s but %s: change the list of versions", program, v.name, out)
	}
	return program, nil
}

// build builds in the module's own directory, with its own go.mod and go.sum: a
// program of another module can't be installed where that excludes or replaces
// something. The program appears when it is whole.
func (v version) build(ctx context.Context, program string) error {
	source, err := v.download(ctx)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-trimpath",
		"-ldflags", fmt.Sprintf("-s -w -X %s/version.Version=%s", v.module, v.name), "-o", program+".new", "./cmd/containerd")
	cmd.Dir, cmd.Stderr = source, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cannot build containerd %s: %w", v.name, err)
	}
	return os.Rename(program+".new", program)
}

// download returns the directory of the module's source, checked by the sums that
// the Go project keeps.
func (v version) download(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", v.module+"@"+v.name)
	cmd.Stderr = os.Stderr
	cmd.Dir = os.TempDir() // in no module whose requirements would count
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("cannot download containerd %s (is the Go module proxy reachable?): %w", v.name, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return "", fmt.Errorf("cannot read what go mod download says: %w", err)
	}
	return module.Dir, nil
}

// sourceTree returns the directory that holds test/, from anywhere below it.
func sourceTree() (string, error) {
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, statErr := os.Stat(filepath.Join(dir, "test/go.mod")); statErr == nil {
			return dir, nil
		}
		dir = filepath.Dir(dir)
	}
	return "", errors.Join(errors.New("cannot find the source tree of tango: run this in it"), err)
}
