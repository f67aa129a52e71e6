package main

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
)

// provision is the script that also prepares Vagrant's machines.
//
//go:embed provision.sh
var provision []byte

// diskSize is that of the guests' root, mostly a hole.
const diskSize = "4G"

// getDisk returns the root disk of all guests, after building it if needed: a
// minimal Debian, plus what provision.sh installs.
func getDisk(ctx context.Context, o options) (string, error) {
	disk := filepath.Join(o.cache, "disks", fmt.Sprintf("%s-%x.ext4", o.guest, diskKey()))
	if _, err := os.Stat(disk); err == nil {
		return disk, nil
	}
	fmt.Printf("building the guests' disk\n")
	err := inScratch(o.cache, func(scratch string) error {
		root := filepath.Join(scratch, "root")
		if err := bootstrap(ctx, o, root, "packages"); err != nil {
			return err
		}
		made := filepath.Join(scratch, "disk")
		if err := makeFilesystem(ctx, root, made, diskSize); err != nil {
			return err
		}
		return replace(made, disk)
	})
	if err != nil {
		return "", fmt.Errorf("cannot build the guests' disk: %w", err)
	}
	return disk, nil
}

// diskRecipe is raised by hand when bootstrap makes another disk than before.
const diskRecipe = "2"

// diskKey names what a disk is made with, besides the suite's packages.
func diskKey() []byte {
	sum := sha256.Sum256(append([]byte(diskRecipe), provision...))
	return sum[:6]
}

// bootstrap makes a minimal Debian in root and runs steps of provision.sh in it.
func bootstrap(ctx context.Context, o options, root string, steps ...string) error {
	err := again(ctx, func() error {
		if err := os.RemoveAll(root); err != nil {
			return err
		}
		return run(ctx, "/", "unshare", "--mount", "debootstrap", "--variant=minbase", "--keyring="+keyring, o.guest, root, o.mirror)
	})
	if err != nil {
		return err
	}
	files := map[string]string{
		"/provision.sh":           string(provision),
		"/usr/sbin/policy-rc.d":   "#!/bin/sh\nexit 101\n", // no service starts in a chroot
		"/etc/machine-id":         "6d617472697800000000000000000000\n",
		"/etc/apt/apt.conf.d/99q": "Dpkg::Use-Pty \"0\";\n",
	}
	if err := writeFiles(root, files); err != nil {
		return err
	}
	if err := inChroot(ctx, root, append([]string{"sh", "/provision.sh"}, steps...)...); err != nil {
		return err
	}
	if err := os.Remove(root + "/usr/sbin/policy-rc.d"); err != nil {
		return err
	}
	// Newer than /usr, these spare systemd what it does once after an update.
	return writeFiles(root, map[string]string{"/etc/.updated": "", "/var/.updated": ""})
}

// writeFiles writes files below root, by their names.
func writeFiles(root string, files map[string]string) error {
	for name, text := range files {
		if err := os.WriteFile(root+name, []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// inChroot runs a program in root, with a /proc, in namespaces of its own: what
// it starts ends with it.
func inChroot(ctx context.Context, root string, args ...string) error {
	return run(ctx, "/", "unshare", append([]string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--root=" + root, "--"}, args...)...)
}

// makeFilesystem makes a file with an ext4 of dir's files. Nothing is mounted.
func makeFilesystem(ctx context.Context, dir, file, size string) error {
	return run(ctx, "/", "mkfs.ext4", "-q", "-F", "-d", dir, file, size)
}
