package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// buildTags are those of the product.
const buildTags = "seccomp no_grpc netgo osusergo"

// build makes a directory of programs in which the shim lacks the guard.
func (g guard) build(ctx context.Context, bin string) error {
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	tools, err := filepath.Abs("../bin/tools")
	if err != nil {
		return err
	}
	if err := os.Symlink(tools, filepath.Join(bin, "tools")); err != nil {
		return err
	}
	mod, err := g.module(ctx, bin)
	if err != nil {
		return err
	}
	init := filepath.Join(bin, "tango-init")
	if err := g.compile(ctx, "-modfile", mod, "-o", init, "./shim/container/initexe/tango-init"); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "gzip", "-n", init).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot pack %s: %w\n%s", init, err, out)
	}
	overlay, err := embedded(bin, init+".gz")
	if err != nil {
		return err
	}
	return g.compile(ctx, "-modfile", mod, "-overlay", overlay, "-o", bin+"/", "./shim/cmd/...")
}

// compile runs go build as the product's.
func (g guard) compile(ctx context.Context, args ...string) error {
	build := exec.CommandContext(ctx, "go", append([]string{"build", "-buildvcs=false", "-trimpath", "-tags", buildTags,
		"-ldflags", "-s -w -linkmode external -extldflags -static"}, args...)...)
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build a shim without %q: %w\n%s", g.name, err, out)
	}
	return nil
}

// embedded writes an overlay for go build that has the shim embed another program
// for containers to start from, and returns its path.
func embedded(dir, init string) (string, error) {
	place, err := filepath.Abs("../shim/container/initexe/program/tango-init.gz")
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{place: init}})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}

const runc = "github.com/opencontainers/runc"

// module makes a copy of runc's module that lacks the guard, and a go.mod, whose path
// it returns, that has it in the real one's place.
func (g guard) module(ctx context.Context, dir string) (string, error) {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", runc)
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("cannot find runc's module: %w", err)
	}
	changed := filepath.Join(dir, "module")
	if err := os.CopyFS(changed, os.DirFS(strings.TrimSpace(string(out)))); err != nil {
		return "", err
	}
	for _, c := range g.changes {
		if err := c.make(changed); err != nil {
			return "", err
		}
	}
	return replaced(dir, changed)
}

// make changes a copy of the module. A change that has no place any more is an
// error: the guard has changed.
func (c change) make(module string) error {
	path := filepath.Join(module, c.file)
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := strings.Count(string(source), c.from); n != 1 {
		return fmt.Errorf("%q is %d times in %s, want once: look at the guard again", c.from, n, path)
	}
	text := strings.Replace(string(source), c.from, c.to, 1)
	return errors.Join(os.Remove(path), os.WriteFile(path, []byte(text), 0o600)) // the copy is read-only
}

// replaced writes a go.mod, with its go.sum, in which runc is the module in changed.
func replaced(dir, changed string) (string, error) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		return "", err
	}
	sum, err := os.ReadFile("../go.sum")
	if err != nil {
		return "", err
	}
	mod = fmt.Appendf(mod, "\nreplace %s => %s\n", runc, changed)
	path := filepath.Join(dir, "go.mod")
	return path, errors.Join(os.WriteFile(path, mod, 0o600), os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o600))
}
