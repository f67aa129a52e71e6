package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// keyring signs everything that is downloaded: kernels and the guests' disk.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// defaultMirror is used where apt's own sources name no Debian mirror.
const defaultMirror = "http://deb.debian.org/debian"

// apt is an apt root of its own: the machine's sources, lists and installed
// packages are neither used nor changed, but its proxy settings hold.
type apt struct {
	dir     string
	options []string
}

// newApt makes the apt root in dir, and reads the lists of all suites where
// there are none yet or fresh ones are wanted.
func newApt(ctx context.Context, dir, mirror string, fresh bool) (*apt, error) {
	a := &apt{dir: dir, options: []string{
		"-oDir::Etc::sourcelist=" + dir + "/sources.list", "-oDir::Etc::sourceparts=/dev/null",
		"-oDir::Etc::preferences=/dev/null", "-oDir::Etc::preferencesparts=/dev/null",
		"-oDir::State=" + dir + "/state", "-oDir::State::status=" + dir + "/status",
		"-oDir::Cache=" + dir + "/cache",
		"-oAPT::Sandbox::User=root", "-oAPT::Architecture=amd64", "-oAcquire::Languages=none",
		"-oAcquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"-oAcquire::Retries=3",
	}}
	var sources strings.Builder
	for _, s := range suites {
		fmt.Fprintf(&sources, "deb [arch=amd64 signed-by=%s] %s %s main\n", keyring, mirror, s)
	}
	old, _ := os.ReadFile(dir + "/sources.list")
	if !fresh && string(old) == sources.String() {
		return a, nil
	}
	for _, d := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(dir+"/status", nil, 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(dir+"/sources.list.new", []byte(sources.String()), 0o644); err != nil {
		return nil, err
	}
	err := again(ctx, func() error {
		return run(ctx, dir, "apt-get", append(a.options, "-oDir::Etc::sourcelist="+dir+"/sources.list.new", "update")...)
	})
	if err != nil {
		return nil, err
	}
	return a, os.Rename(dir+"/sources.list.new", dir+"/sources.list")
}

// debianURI finds the mirror in both formats of apt's sources.
var debianURI = regexp.MustCompile(`(?m)^(?:URIs:|deb )[^#\n]*?(https?://\S+/debian)/?(?:\s|$)`)

// systemMirror returns the Debian mirror that this machine's apt uses.
func systemMirror() string {
	files, _ := filepath.Glob("/etc/apt/sources.list.d/*")
	for _, f := range append(files, "/etc/apt/sources.list") {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		if m := debianURI.FindSubmatch(b); m != nil {
			return string(m[1])
		}
	}
	return defaultMirror
}

// newest returns the newest version of a package that starts with prefix.
func (a *apt) newest(ctx context.Context, pkg, prefix string) (string, error) {
	out, err := output(ctx, "apt-cache", append(a.options, "madison", pkg)...)
	if err != nil {
		return "", err
	}
	var seen []string
	for line := range strings.Lines(out) {
		f := strings.Split(line, "|")
		if len(f) < 3 {
			continue
		}
		version := strings.TrimSpace(f[1])
		if strings.HasPrefix(version, prefix+".") {
			return version, nil
		}
		seen = append(seen, version)
	}
	return "", fmt.Errorf("no version %s of %s in %v, only %v", prefix, pkg, suites, seen)
}

// kernelPackage finds the packages that hold a kernel's files: image alone up to
// 6.12; by 7.2 the kernel is in binary and the list of what is built in in base.
var kernelPackage = regexp.MustCompile(`linux-(?:image|binary|modules|base)-[0-9][^ ,|]*`)

// kernelPackages returns all kernel packages that one needs.
func (a *apt) kernelPackages(ctx context.Context, pkg, version string) ([]string, error) {
	out, err := output(ctx, "apt-cache", append(a.options, "show", pkg+"="+version)...)
	if err != nil {
		return nil, err
	}
	var all []string
	lines := bufio.NewScanner(strings.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		depends, ok := strings.CutPrefix(lines.Text(), "Depends: ")
		if !ok {
			continue
		}
		for _, p := range kernelPackage.FindAllString(depends, -1) {
			if slices.Contains(all, p) {
				continue
			}
			more, err := a.kernelPackages(ctx, p, version)
			if err != nil {
				return nil, err
			}
			all = append(append(all, p), more...)
		}
	}
	return all, lines.Err()
}

// fetch downloads packages, as NAME=VERSION or NAME/SUITE, to dir and unpacks them to
// root; apt checks them against the signed lists.
func (a *apt) fetch(ctx context.Context, packages []string, dir, root string) error {
	args := slices.Concat(a.options, []string{"-q", "download"}, packages)
	if err := again(ctx, func() error { return run(ctx, dir, "apt-get", args...) }); err != nil {
		return err
	}
	files, err := filepath.Glob(dir + "/*.deb")
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := run(ctx, dir, "dpkg-deb", "-x", f, root); err != nil {
			return err
		}
	}
	return nil
}

// again tries what downloads up to four times: mirrors have bad minutes.
func again(ctx context.Context, download func() error) error {
	for _, pause := range []time.Duration{5 * time.Second, 20 * time.Second, time.Minute} {
		err := download()
		if err == nil {
			return nil
		}
		fmt.Fprintf(os.Stderr, "vm: trying again in %v: %v\n", pause, err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
	return download()
}

// run runs a program in dir; its output is part of the error where it fails. Its
// children end with it: debootstrap has many.
func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot run %s: %w\n%s", cmd, err, tail(string(out), 40))
	}
	return nil
}

// output runs a program and returns what it prints.
func output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("cannot run %s: %w: %s", name, err, exit.Stderr)
	}
	return string(out), err
}

// tail returns the last n lines of s.
func tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
