package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"tango/test/vm/job"
)

// profile confines a container the way containerd's default profile does in
// what a test can see: files are free, writes below /proc/sys are not.
const profile = `profile ` + job.Profile + ` flags=(attach_disconnected,mediate_deleted) {
  network, capability, file, umount, signal, ptrace,
  deny /proc/sys/** w,
  deny /proc/sysrq-trigger rwklx,
  deny mount,
}
`

// loadProfile has AppArmor know the profile.
func loadProfile() error {
	cmd := exec.Command("/usr/sbin/apparmor_parser", "--replace")
	cmd.Stdin = strings.NewReader(profile)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot load the AppArmor profile: %w: %s", err, out)
	}
	return nil
}

// policy is what SELinux enforces, in the language of secilc(8).
//
//go:embed selinux.cil
var policy []byte

// policyVersion is one that all kernels of the matrix read.
const policyVersion = "33"

// loadPolicy compiles the policy, loads it, and has it enforced.
func loadPolicy() error {
	if err := (mount{"selinuxfs", selinuxRoot, "selinuxfs", 0, ""}).do(); err != nil {
		return err
	}
	source, compiled := "/run/tango/selinux.cil", "/run/tango/selinux.policy"
	if err := os.WriteFile(source, policy, 0o600); err != nil {
		return err
	}
	out, err := exec.Command("secilc", "--mls", "true", "--policyvers", policyVersion, "--output", compiled, "--filecontext", "/dev/null", source).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot compile the SELinux policy: %w: %s", err, out)
	}
	data, err := os.ReadFile(compiled)
	if err != nil {
		return err
	}
	if err := os.WriteFile(selinuxRoot+"/load", data, 0); err != nil { // in one write, as the kernel wants it
		return fmt.Errorf("cannot load the SELinux policy: %w", err)
	}
	return os.WriteFile(selinuxRoot+"/enforce", []byte("1"), 0)
}

// selinuxRoot is where SELinux is talked to.
const selinuxRoot = "/sys/fs/selinux"
