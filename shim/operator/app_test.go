package operator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// asCommand in the environment makes the test binary the command: completion looks
// at the process's own arguments.
const asCommand = "TANGO_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(Main(os.Args, os.Stdout, os.Stderr))
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "FAIL: these tests ask the kernel what only root may, and need root")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// run calls the command on this machine.
func run(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Main(append([]string{"tango"}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"nonsense"}, {"doctor", "--nonsense"}, {"doctor", "argument"}, {"version", "argument"},
		{"--nonsense"}, {"doctor", "--json=perhaps"}, {"version", "--json"},
	} {
		code, stdout, stderr := run(args...)
		if code != exitUsage || stderr == "" || stdout != "" {
			t.Errorf("%q: code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"help"}, {"--help"}, {"doctor", "--help"}, {"help", "doctor"}} {
		code, stdout, stderr := run(args...)
		if code != exitFine || !strings.Contains(stdout, "doctor") || stderr != "" {
			t.Errorf("%q: code %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, stdout, _ := run("completion", shell); code != exitFine || !strings.Contains(stdout, "tango") {
			t.Errorf("%s: code %d, %q", shell, code, stdout)
		}
	}
	for want, args := range map[string][]string{"doctor": nil, "version": nil, "--json": {"doctor", "--"}} {
		c := exec.CommandContext(t.Context(), "/proc/self/exe", append(args, "--generate-shell-completion")...)
		c.Env = append(c.Environ(), asCommand+"=1")
		if out, err := c.Output(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%q: %v, %q", args, err, out)
		}
	}
}

func TestVersion(t *testing.T) {
	code, stdout, _ := run("version")
	if code != exitFine || shimVersion(stdout) == "" || !strings.Contains(stdout, "Go version: go") {
		t.Errorf("code %d, %q", code, stdout)
	}
}

// The machine that the test runs on may lack anything; what it says must agree with
// itself.
func TestDoctorHere(t *testing.T) {
	code, text, stderr := run("doctor")
	t.Log("\n" + text)
	if stderr != "" || !strings.Contains(text, "Missing: ") {
		t.Errorf("stderr %q", stderr)
	}
	jsonCode, out, _ := run("doctor", "--json")
	var r Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if want := min(r.count(Missing), 1); code != want || jsonCode != want {
		t.Errorf("exits with %d and %d, want %d", code, jsonCode, want)
	}
	if unknown := r.Kernel.unknown(); len(unknown) > 0 {
		t.Errorf("root cannot find out: %+v", unknown)
	}
}

func TestDoctorExitCodes(t *testing.T) {
	for want, f := range map[int]fixture{exitFine: good(), exitMissing: half()} {
		h, _ := f.host(t)
		var out bytes.Buffer
		err := command(func() host { return h }, &out, &out).Run(t.Context(), []string{"tango", "doctor"})
		if (err != nil) != (want == exitMissing) {
			t.Errorf("want %d, got %v", want, err)
		}
	}
}

// A machine that cannot be read is an error, not a report of nothing.
func TestDoctorFails(t *testing.T) {
	h, _ := good().host(t)
	h.roots.Sys = t.TempDir()
	if r, err := h.examine(t.Context()); err == nil {
		t.Errorf("no error, but %+v", r)
	}
}

// The command is for people: it must start fast, and needs nothing of what runs
// containers.
func TestImports(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("NOT TESTED on this machine: reading the imports takes the go command")
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "tango/shim/cmd/tango").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.Lines(string(out)) {
		for _, heavy := range []string{"opencontainers", "containerd/containerd", "google.golang.org/grpc", "ttrpc", "tango/shim/container", "tango/shim/task"} {
			if strings.Contains(name, heavy) {
				t.Errorf("imports %s", name)
			}
		}
	}
}

// Other distributions of containerd have their configuration elsewhere.
func TestDoctorConfigFlag(t *testing.T) {
	file := t.TempDir() + "/other.toml"
	writeFile(t, file, good().config, 0o644)
	_, out, _ := run("doctor", "--json", "--config", file)
	var r Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if c := r.Containerd.Config; c.File != file || len(c.Runtimes) != 1 {
		t.Errorf("%+v", c)
	}
}
