package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	for _, p := range providers {
		cmd := exec.CommandContext(ctx, "vagrant", "validate")
		cmd.Dir = root
		cmd.Env = append(os.Environ(),
			"VAGRANT_DEFAULT_PROVIDER="+p, "VAGRANT_HOME="+state+"/home", "VAGRANT_DOTFILE_PATH="+state+"/"+p)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("Vagrantfile is not valid for %s: %w\n%s", p, err, out)
		}
		fmt.Printf("%s: %s\n", p, strings.TrimSpace(string(out)))
	}
	return nil
}
