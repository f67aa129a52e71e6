package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	suitePackage = "github.com/containerd/containerd/v2/integration/client"
	suiteProgram = "client.test"
	runcFP       = "github.com/containerd/containerd/v2/integration/failpoint/cmd/runc-fp"
)

// reference are the programs of the stock runtime, by the name they get.
var reference = map[string]string{
	"containerd":              "github.com/containerd/containerd/v2/cmd/containerd",
	"containerd-shim-runc-v2": "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
	"runc":                    "github.com/opencontainers/runc",
}

// builder puts the programs of a run together, from the modules that pin them.
type builder struct {
	tools string // directory of the module that pins containerd and runc
	suite string // directory of the module that pins the suite
	log   io.Writer
}

// goTool runs the go command in a module's directory.
func (b builder) goTool(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, b.log, b.log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cannot run go %s in %s: %w", strings.Join(args, " "), dir, err)
	}
	return nil
}

// suiteDir returns the directory of the suite's source.
func (b builder) suiteDir(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", suitePackage)
	cmd.Dir, cmd.Stderr = b.suite, b.log
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("cannot find the suite: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// stock fills dir with the suite, its failpoint runtime and the stock runtime;
// programs of the latter that are in ready (a directory, or "") are not built.
func (b builder) stock(ctx context.Context, dir, ready string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := b.goTool(ctx, b.suite, "test", "-c", "-o", filepath.Join(dir, suiteProgram), suitePackage); err != nil {
		return err
	}
	if err := b.goTool(ctx, b.suite, "build", "-o", filepath.Join(dir, "runc-fp"), runcFP); err != nil {
		return err
	}
	for name, pkg := range reference {
		target := filepath.Join(dir, name)
		if ready != "" {
			err := copyProgram(filepath.Join(ready, name), target)
			if err == nil {
				continue
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if err := b.goTool(ctx, b.tools, "build", "-tags", "seccomp", "-o", target, pkg); err != nil {
			return err
		}
	}
	return nil
}

// runcWatch stands for runc where the tested shim runs: the suite itself calls
// runc once, the shim must not. It notes the caller and goes on as runc.
const runcWatch = `#!/bin/sh
read -r by </proc/$PPID/comm
echo "$by: runc $*" >>` + inside + `/runc-calls
exec ` + inside + `/bin/runc.real "$@"
`

// tested fills dir with stock's programs and the tested shim, which also takes
// the stock shim's place: some tests name io.containerd.runc.v2 themselves.
func (b builder) tested(dir, stock, shim, shimName string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for target, source := range map[string]string{
		suiteProgram:              filepath.Join(stock, suiteProgram),
		"runc-fp":                 filepath.Join(stock, "runc-fp"),
		"containerd":              filepath.Join(stock, "containerd"),
		"runc.real":               filepath.Join(stock, "runc"),
		shimName:                  shim,
		"containerd-shim-runc-v2": shim,
	} {
		if err := copyProgram(source, filepath.Join(dir, target)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "runc"), []byte(runcWatch), 0o755)
}

func copyProgram(source, target string) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// runcCalls returns the calls of runc that runcWatch noted, but for the suite's.
func runcCalls(work string) ([]string, error) {
	noted, err := os.ReadFile(filepath.Join(work, "runc-calls"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var calls []string
	for l := range strings.Lines(string(noted)) {
		if !strings.HasPrefix(l, suiteProgram+":") {
			calls = append(calls, strings.TrimSpace(l))
		}
	}
	return calls, nil
}
