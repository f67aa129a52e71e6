package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// emulator is the QEMU that boots the guests.
type emulator struct {
	program string
	args    []string // that it needs wherever it is used
}

// soundQEMU is the first major version whose emulated CPUs can be trusted. Before
// 8.1 one that translates code while another patches it could keep the old code: a
// guest's kernel then died of "Oops: int3" when a static key of its was switched.
const soundQEMU = 9

// emulatorPackages are QEMU and what it reads. The libraries are those that the
// machine's own QEMU has, which comes from the same release of Debian.
var emulatorPackages = []string{"qemu-system-x86", "qemu-system-data", "seabios"}

// getEmulator returns this machine's QEMU if it has KVM or emulates soundly, or
// else the one of its Debian's backports, in the cache.
func getEmulator(ctx context.Context, o options) (emulator, error) {
	own := emulator{program: "qemu-system-x86_64"}
	suite := backports()
	if kvm() || own.major(ctx) >= soundQEMU || !slices.Contains(suites, suite) {
		return own, nil
	}
	dir := filepath.Join(o.cache, "emulators", suite)
	newer := emulator{
		program: filepath.Join(dir, "usr/bin/qemu-system-x86_64"),
		args:    []string{"-L", filepath.Join(dir, "usr/share/qemu"), "-L", filepath.Join(dir, "usr/share/seabios")},
	}
	if newer.major(ctx) >= soundQEMU && !o.refresh {
		return newer, nil
	}
	fmt.Printf("fetching QEMU from %s\n", suite)
	if err := fetchEmulator(ctx, o, suite, dir); err != nil {
		return own, fmt.Errorf("cannot get a QEMU that emulates soundly: %w", err)
	}
	if v := newer.major(ctx); v < soundQEMU {
		return own, fmt.Errorf("QEMU of %s does not run here, or is too old (%d)", suite, v)
	}
	return newer, nil
}

// fetchEmulator unpacks QEMU from a suite to dir.
func fetchEmulator(ctx context.Context, o options, suite, dir string) error {
	a, err := newApt(ctx, filepath.Join(o.cache, "apt"), o.mirror, o.refresh)
	if err != nil {
		return err
	}
	return inScratch(o.cache, func(scratch string) error {
		unpacked := filepath.Join(scratch, "root")
		var wanted []string
		for _, p := range emulatorPackages {
			wanted = append(wanted, p+"/"+suite)
		}
		if err := a.fetch(ctx, wanted, scratch, unpacked); err != nil {
			return err
		}
		return replace(unpacked, dir)
	})
}

// versionOfQEMU finds it in what QEMU says of itself.
var versionOfQEMU = regexp.MustCompile(`version ([0-9]+)\.`)

// major is the emulator's major version, 0 where it does not run.
func (e emulator) major(ctx context.Context) int {
	said, err := output(ctx, e.program, "-version")
	m := versionOfQEMU.FindStringSubmatch(said)
	if err != nil || m == nil {
		return 0
	}
	v, _ := strconv.Atoi(m[1])
	return v
}

// codename finds the name of a Debian release.
var codename = regexp.MustCompile(`(?m)^VERSION_CODENAME=(\w+)$`)

// backports is the suite of packages that are newer than this machine's Debian.
func backports() string {
	text, _ := os.ReadFile("/etc/os-release")
	m := codename.FindSubmatch(text)
	if m == nil {
		return ""
	}
	return string(m[1]) + "-backports"
}
