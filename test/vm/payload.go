package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tango/test/vm/job"
)

// payload is what this run brings to every guest.
type payload struct {
	disk   string // ext4 with the test binaries, their data and the programs
	guest  []byte // the guest's program
	tests  []job.Test
	broken map[string]string // package that cannot be built to what the compiler says
	group  map[string]string // package to the name of its group
}

// makePayload builds the test binaries of the groups and packs them below dir.
func makePayload(ctx context.Context, root, dir string, chosen []group) (*payload, error) {
	p := &payload{disk: filepath.Join(dir, "payload.ext4"), broken: map[string]string{}, group: map[string]string{}}
	tree := filepath.Join(dir, "payload")
	for _, g := range chosen {
		if err := p.buildGroup(ctx, root, tree, g); err != nil {
			return nil, err
		}
	}
	if err := copyBinaries(root, filepath.Join(tree, "bin")); err != nil {
		return nil, err
	}
	if err := copyRepository(root, filepath.Join(tree, "src")); err != nil {
		return nil, err
	}
	program := filepath.Join(dir, "guest")
	err := buildGuest(ctx, filepath.Join(root, "test"), program)
	if err != nil {
		return nil, err
	}
	if p.guest, err = os.ReadFile(program); err != nil {
		return nil, err
	}
	size, err := treeSize(tree)
	if err != nil {
		return nil, err
	}
	return p, makeFilesystem(ctx, tree, p.disk, fmt.Sprintf("%dM", size>>20*11/10+64))
}

// buildGuest builds the guest's program from the module in dir.
func buildGuest(ctx context.Context, dir, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", to, "./vm/guest")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build the guest's program: %w\n%s", err, out)
	}
	return nil
}

// buildGroup builds every package of a group that has tests. One that cannot be
// built is remembered, and fails in every guest.
func (p *payload) buildGroup(ctx context.Context, root, tree string, g group) error {
	module := filepath.Join(root, g.Module)
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-tags", g.Tags, "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}", g.Pattern)
	cmd.Dir = module
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("cannot list the packages of group %s: %w", g.Name, err)
	}
	for line := range strings.Lines(string(out)) {
		pkg, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		if pkg == "" {
			continue
		}
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		t := job.Test{
			Group: g.Name, Package: pkg, Args: g.Args, Timeout: g.Timeout,
			Dir:    filepath.Join("/tango/src", rel),
			Binary: filepath.Join("/tango/tests", strings.ReplaceAll(rel, "/", "_")),
		}
		p.group[pkg] = g.Name
		build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-tags", g.Tags, "-o", filepath.Join(tree, strings.TrimPrefix(t.Binary, "/tango")), pkg)
		build.Dir = module
		if out, err := build.CombinedOutput(); err != nil {
			p.broken[pkg] = strings.TrimSpace(string(out))
			continue
		}
		if err := copyPackage(dir, filepath.Join(tree, "src", rel)); err != nil {
			return err
		}
		p.tests = append(p.tests, t)
	}
	return nil
}

// copyPackage gives a package's tests the working directory that they expect: its
// testdata, and its sources, which some hold the documentation against.
func copyPackage(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	sources, err := filepath.Glob(filepath.Join(from, "*.go"))
	if err != nil {
		return err
	}
	for _, f := range sources {
		if err := copyFile(f, filepath.Join(to, filepath.Base(f))); err != nil {
			return err
		}
	}
	data := filepath.Join(from, "testdata")
	if _, err := os.Stat(data); os.IsNotExist(err) {
		return nil
	}
	return os.CopyFS(filepath.Join(to, "testdata"), os.DirFS(data))
}

// copyBinaries copies the programs that are built; tests say what they miss.
func copyBinaries(root, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, b := range binaries {
		err := copyFile(filepath.Join(root, "bin", b), filepath.Join(to, filepath.Base(b)))
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// readByTests are directories of the repository that tests hold the code against.
var readByTests = []string{"docs", "deploy"}

// copyRepository gives tests what they read of the repository, and the programs
// where they look for them beside it.
func copyRepository(root, to string) error {
	for _, dir := range readByTests {
		if err := os.CopyFS(filepath.Join(to, dir), os.DirFS(filepath.Join(root, dir))); err != nil {
			return err
		}
	}
	return errors.Join(
		os.Symlink("../bin", filepath.Join(to, "bin")),
		os.Symlink(".", filepath.Join(to, "../bin/tools")))
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

// treeSize returns the bytes of all files below dir.
func treeSize(dir string) (int64, error) {
	var size int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}
