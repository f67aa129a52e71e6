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
	tools  string // directory of the module that pins containerd and runc
	suite  string // directory of the module that pins the suite
	source string // directory of tango's module
	log    io.Writer
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
	if err := b.goTool(ctx, b.suite, "build", "-o", filepath.Join(dir, runcFPName), runcFP); err != nil {
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
		runcFPName:                filepath.Join(stock, runcFPName),
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

// What the shim with fault points has in its directory of programs.
const (
	faultsDir        = "faults"    // what it looks for at its points
	failpointProgram = "failpoint" // this program, which it runs at some
	idleRunc         = "idle-runc" // directory of a runc that does nothing
)

// faultTags are those of the product, and the one that makes points of the marks.
const faultTags = "seccomp no_grpc netgo osusergo faults"

// injecting fills dir as tested does, but with a shim that has fault points.
func (b builder) injecting(ctx context.Context, dir, stock, shimName string) error {
	shim := dir + "-shim"
	flags := "-s -w -linkmode external -extldflags '-static -Wl,-z,max-page-size=0x200000' -X tango/mounts/fault.control=" +
		filepath.Join(inside, "bin", faultsDir)
	if err := b.goTool(ctx, b.source, "build", "-buildvcs=false", "-trimpath", "-tags", faultTags, "-ldflags", flags,
		"-o", shim, "./shim/cmd/"+shimName); err != nil {
		return err
	}
	if err := b.tested(dir, stock, shim, shimName); err != nil {
		return err
	}
	return layFailpoints(dir)
}

// layFailpoints has this program run at the points where runc-fp has its part.
func layFailpoints(dir string) error {
	at := filepath.Join(dir, faultsDir, "run")
	if err := errors.Join(os.MkdirAll(at, 0o755), os.Mkdir(filepath.Join(dir, idleRunc), 0o755)); err != nil {
		return err
	}
	for point := range failpoints {
		if err := os.Symlink(filepath.Join(inside, "bin", failpointProgram), filepath.Join(at, point)); err != nil {
			return err
		}
	}
	return errors.Join(
		copyProgram("/proc/self/exe", filepath.Join(dir, failpointProgram)),
		os.WriteFile(filepath.Join(dir, idleRunc, "runc"), []byte("#!/bin/sh\n"), 0o755),
	)
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
