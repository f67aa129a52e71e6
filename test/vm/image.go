package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// image is a kernel in the cache, ready to boot.
type image struct {
	dir     string
	Release string   // as uname -r prints it
	Modules []string // paths below /lib/modules, in the order to load them at boot
}

func (i image) vmlinuz() string   { return filepath.Join(i.dir, "vmlinuz") }
func (i image) initramfs() string { return filepath.Join(i.dir, "modules.cpio") }

// getImage returns a kernel from the cache, after bringing it there if needed.
func getImage(ctx context.Context, o options, version string) (image, error) {
	dir := filepath.Join(o.cache, "kernels", version+"-"+o.flavour+"-"+moduleKey())
	i, err := readImage(dir)
	if err == nil && !o.refresh {
		return i, nil
	}
	fmt.Printf("fetching kernel %s\n", version)
	a, err := newApt(ctx, filepath.Join(o.cache, "apt"), o.mirror, o.refresh)
	if err != nil {
		return i, err
	}
	pkg := "linux-image-" + o.flavour
	full, err := a.newest(ctx, pkg, version)
	if err != nil {
		return i, err
	}
	packages, err := a.kernelPackages(ctx, pkg, full)
	if err != nil {
		return i, err
	}
	err = inScratch(o.cache, func(scratch string) error {
		unpacked := filepath.Join(scratch, "root")
		for i := range packages {
			packages[i] += "=" + full
		}
		if err := a.fetch(ctx, packages, scratch, unpacked); err != nil {
			return err
		}
		return buildImage(ctx, unpacked, scratch, dir)
	})
	if err != nil {
		return i, fmt.Errorf("cannot get kernel %s: %w", version, err)
	}
	return readImage(dir)
}

func readImage(dir string) (image, error) {
	i := image{dir: dir}
	b, err := os.ReadFile(filepath.Join(dir, "image.json"))
	if err != nil {
		return i, err
	}
	return i, json.Unmarshal(b, &i)
}

// inScratch runs f with an empty directory in the cache that is removed after.
func inScratch(cache string, f func(dir string) error) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(cache, "scratch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return f(dir)
}

// buildImage makes the cached form of the kernel that is unpacked in root.
func buildImage(ctx context.Context, root, scratch, dir string) error {
	release, err := findRelease(root)
	if err != nil {
		return err
	}
	t, err := newModuleTree(ctx, root, release)
	if err != nil {
		return err
	}
	made := filepath.Join(scratch, "image")
	if err := os.Mkdir(made, 0o755); err != nil {
		return err
	}
	boot, all := t.order(bootModules), t.order(append(bootModules, moreModules...))
	if err := t.pack(ctx, all, filepath.Join(made, "modules.cpio")); err != nil {
		return err
	}
	i := image{Release: release, Modules: make([]string, len(boot))}
	for n, file := range boot {
		i.Modules[n] = "/lib/modules/" + release + "/" + plainName(file)
	}
	text, err := json.MarshalIndent(i, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(made, "image.json"), text, 0o644); err != nil {
		return err
	}
	if err := copyKernel(root, release, filepath.Join(made, "vmlinuz")); err != nil {
		return err
	}
	return replace(made, dir)
}

// findRelease returns the only release that has modules in root.
func findRelease(root string) (string, error) {
	dirs, _ := filepath.Glob(root + "/lib/modules/*")
	more, _ := filepath.Glob(root + "/usr/lib/modules/*")
	if dirs = append(dirs, more...); len(dirs) != 1 {
		return "", fmt.Errorf("packages have modules of %d kernels, not of one: %q", len(dirs), dirs)
	}
	return filepath.Base(dirs[0]), nil
}

// copyKernel copies the kernel from where the packages of its age have it.
func copyKernel(root, release, to string) error {
	for _, from := range []string{"/boot/vmlinuz-" + release, "/usr/lib/modules/" + release + "/vmlinuz"} {
		b, err := os.ReadFile(root + from)
		if err == nil {
			return os.WriteFile(to, b, 0o644)
		}
	}
	return fmt.Errorf("packages have no kernel %s", release)
}

// replace moves a finished directory to its name in the cache.
func replace(made, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(made, dir)
}

// writeInitramfs makes one guest's initramfs: the kernel's modules, then the
// guest's program as init, then its job.
func (i image) writeInitramfs(to string, program []byte, job any) error {
	modules, err := os.ReadFile(i.initramfs())
	if err != nil {
		return err
	}
	text, err := json.Marshal(job)
	if err != nil {
		return err
	}
	buf := bytes.NewBuffer(modules)
	a := newArchive(buf)
	a.file("init", 0o755, program)
	a.file("tango-job.json", 0o644, text)
	if err := a.close(); err != nil {
		return err
	}
	return os.WriteFile(to, buf.Bytes(), 0o644)
}

// plainName is a module's file name without the compression's ending.
func plainName(file string) string {
	for _, ending := range []string{".xz", ".zst", ".gz"} {
		file = strings.TrimSuffix(file, ending)
	}
	return file
}
