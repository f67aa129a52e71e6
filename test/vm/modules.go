package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// moduleTree is the module directory of an unpacked kernel.
type moduleTree struct {
	root, dir, release string
	needs              map[string][]string // file to the files to load before it, last one first
	file               map[string]string   // module name to file
}

// moduleKey names the sets of modules in the cache: images made for other sets
// are not used.
func moduleKey() string {
	sum := sha256.Sum256(fmt.Append(nil, bootModules, moreModules))
	return fmt.Sprintf("%x", sum[:4])
}

// newModuleTree runs depmod, which Debian leaves to a package's installation.
func newModuleTree(ctx context.Context, root, release string) (*moduleTree, error) {
	t := &moduleTree{root: root, release: release, needs: map[string][]string{}, file: map[string]string{}}
	if _, err := os.Lstat(root + "/lib"); os.IsNotExist(err) {
		if err := os.Symlink("usr/lib", root+"/lib"); err != nil {
			return nil, err
		}
	}
	t.dir = filepath.Join(root, "lib/modules", release)
	if err := run(ctx, root, "depmod", "-b", root, release); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(t.dir + "/modules.dep")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		file, needs, _ := strings.Cut(strings.TrimSpace(line), ":")
		t.needs[file] = strings.Fields(needs)
		name := strings.TrimSuffix(filepath.Base(plainName(file)), ".ko")
		t.file[strings.ReplaceAll(name, "-", "_")] = file
	}
	return t, nil
}

// order returns the files of the named modules and of all that they need, each
// after what it needs.
func (t *moduleTree) order(names []string) []string {
	var files []string
	for _, n := range names {
		file, ok := t.file[n]
		if !ok {
			continue
		}
		for _, f := range slices.Backward(t.needs[file]) {
			files = appendNew(files, f)
		}
		files = appendNew(files, file)
	}
	return files
}

func appendNew(files []string, f string) []string {
	if slices.Contains(files, f) {
		return files
	}
	return append(files, f)
}

// pack writes an initramfs with the files, uncompressed since an emulated CPU
// is slow at that, and with the indexes that modprobe needs for them.
func (t *moduleTree) pack(ctx context.Context, files []string, to string) error {
	small := filepath.Join(filepath.Dir(to), "..", "small")
	dir := filepath.Join(small, "lib/modules", t.release)
	for _, f := range files {
		b, err := t.read(ctx, f)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, plainName(f))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return err
		}
	}
	for _, f := range []string{"modules.builtin", "modules.builtin.modinfo", "modules.order"} {
		b, err := os.ReadFile(filepath.Join(t.dir, f))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, f), b, 0o644); err != nil {
			return err
		}
	}
	if err := run(ctx, small, "depmod", "-b", small, t.release); err != nil {
		return err
	}
	return packTree(small, to)
}

// read returns a module's file, uncompressed.
func (t *moduleTree) read(ctx context.Context, file string) ([]byte, error) {
	path := filepath.Join(t.dir, file)
	programs := map[string]string{".xz": "xz", ".zst": "zstd", ".gz": "gzip"}
	program, ok := programs[filepath.Ext(file)]
	if !ok {
		return os.ReadFile(path)
	}
	cmd := exec.CommandContext(ctx, program, "-dc", path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("cannot uncompress %s: %w: %s", path, err, &stderr)
	}
	return out, nil
}

// packTree writes all files below dir to an initramfs.
func packTree(dir, to string) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	a := newArchive(out)
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path) //nolint:gosec // a directory of the cache that only this program writes
		if err != nil {
			return err
		}
		a.file(strings.TrimPrefix(path, dir+"/"), 0o644, b)
		return nil
	})
	if err != nil {
		return err
	}
	return a.close()
}
