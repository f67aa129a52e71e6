package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// rehearse runs provision.sh as Vagrant does on a fresh machine, all but the
// tests, in a chroot: packages, toolchain, build and installation.
func rehearse(ctx context.Context, o options, root string) error {
	if err := checkHost(); err != nil {
		return err
	}
	return inScratch(o.cache, func(scratch string) error {
		chroot := filepath.Join(scratch, "root")
		if err := bootstrap(ctx, o, chroot, "packages", "toolchain"); err != nil {
			return err
		}
		if err := cloneTo(ctx, root, chroot+"/tango"); err != nil {
			return err
		}
		if err := trustAsHere(chroot); err != nil {
			return err
		}
		if err := inChroot(ctx, chroot, "sh", "/provision.sh", "build"); err != nil {
			return err
		}
		fmt.Printf("provision.sh works on %s\n", o.guest)
		return inChroot(ctx, chroot, "containerd-shim-tango-v2", "-v")
	})
}

// certificates is where Debian and Go look for the authorities to trust.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// trustAsHere lets the chroot trust what this machine trusts: its way out may be
// a proxy with an authority of its own.
func trustAsHere(chroot string) error {
	b, err := os.ReadFile(certificates)
	if err != nil {
		return err
	}
	return os.WriteFile(chroot+certificates, b, 0o644)
}

// cloneTo copies what is committed.
func cloneTo(ctx context.Context, root, to string) error {
	return run(ctx, root, "git", "clone", "-q", "--no-hardlinks", root, to)
}
