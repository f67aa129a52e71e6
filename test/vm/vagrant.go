package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// providers are the ones that the Vagrantfile has settings for.
var providers = []string{"libvirt", "virtualbox"}

// validateVagrant runs `vagrant validate` for each provider, with its state in a
// directory of its own. It checks the file and its options, and needs neither
// boxes nor virtual machines.
func validateVagrant(ctx context.Context, root string) error {
	if _, err := exec.LookPath("vagrant"); err != nil {
		return errors.New("vagrant is missing: test/vm/provision.sh host installs it")
	}
	state, err := os.MkdirTemp("", "tango-vagrant-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(state)
	path, err := virtualBoxOnPath(state)
	if err != nil {
		return err
	}
	for _, p := range providers {
		cmd := exec.CommandContext(ctx, "vagrant", "validate")
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "PATH="+path,
			"VAGRANT_DEFAULT_PROVIDER="+p, "VAGRANT_HOME="+state+"/home", "VAGRANT_DOTFILE_PATH="+state+"/"+p)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("Vagrantfile is not valid for %s: %w\n%s", p, err, out)
		}
		fmt.Printf("%s: %s\n", p, strings.TrimSpace(string(out)))
	}
	return nil
}

// virtualBoxOnPath returns a PATH on which Vagrant finds VirtualBox. Debian has no
// package of it, and Vagrant checks no settings of a provider whose program says
// no version; checking them needs nothing else of it.
func virtualBoxOnPath(dir string) (string, error) {
	path := os.Getenv("PATH")
	if _, err := exec.LookPath("VBoxManage"); err == nil {
		return path, nil
	}
	err := os.WriteFile(filepath.Join(dir, "VBoxManage"), []byte("#!/bin/sh\necho 7.0.4r154605\n"), 0o755)
	return dir + ":" + path, err
}
