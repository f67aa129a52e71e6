package integration

import (
	"strings"
	"syscall"
	"testing"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// TestExecProcess starts further processes in one container, each with one
// property of its own, and compares what it sees.
func TestExecProcess(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{})
	const noCaps = "0000000000000000"
	for _, test := range []struct {
		name   string
		args   []string
		change func(*specs.Process)
		want   string
	}{
		{"plain", sh("echo $$ >/dev/null; echo fine"), nil, "fine"},
		{"user", sh("id -u; id -g"), func(p *specs.Process) { p.User = specs.User{UID: 1000, GID: 2000} }, "1000\n2000"},
		{"groups", sh("id -G"), func(p *specs.Process) {
			p.User = specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{2000, 2001}}
		}, "1000 2000 2001"},
		{"cwd", []string{"pwd"}, func(p *specs.Process) { p.Cwd = "/tmp" }, "/tmp"},
		{"env", sh("echo $TANGO"), func(p *specs.Process) { p.Env = append(p.Env, "TANGO=dance") }, "dance"},
		{"rlimit", sh("ulimit -n; ulimit -Hn"), func(p *specs.Process) {
			p.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 111, Hard: 222}}
		}, "111\n222"},
		{"no capabilities", statusField("CapEff"), func(p *specs.Process) { p.Capabilities = &specs.LinuxCapabilities{} }, noCaps},
		{"one capability", statusField("CapEff"), func(p *specs.Process) {
			one := []string{"CAP_SYS_ADMIN"}
			p.Capabilities = &specs.LinuxCapabilities{Bounding: one, Effective: one, Permitted: one}
		}, "0000000000200000"},
		{"no new privileges", statusField("NoNewPrivs"), func(p *specs.Process) { p.NoNewPrivileges = true }, "1"},
		{"new privileges", statusField("NoNewPrivs"), func(p *specs.Process) { p.NoNewPrivileges = false }, "0"},
		{"affinity", statusField("Cpus_allowed_list"), func(p *specs.Process) {
			p.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0", Final: "0"}
		}, "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := h.In(t)
			e := h.Exec(c, harness.ExecSpec{Args: test.args, Change: test.change})
			if code := h.Finish(e); code != 0 {
				t.Errorf("ended with code %d: %s", code, e.Stderr)
			}
			if got := strings.TrimSpace(e.Stdout.String()); got != test.want {
				t.Errorf("wrote %q, want %q", got, test.want)
			}
		})
	}
	expectOutput(t, h, c, "alive", "echo", "alive")
}

// TestExecExitCodes wants the codes of processes that end by themselves, are
// killed, and cannot be started.
func TestExecExitCodes(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{})
	if code := h.Finish(h.Exec(c, harness.ExecSpec{Args: sh("exit 42")})); code != 42 {
		t.Errorf("exit code %d, want 42", code)
	}
	e := h.Exec(c, harness.ExecSpec{Args: []string{"sleep", "1000"}})
	if err := e.Kill(h.Ctx(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := h.Finish(e); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
	e, err := c.NewExec(h.Ctx(), harness.ExecSpec{Args: []string{"/nosuchprogram"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(h.Ctx()); err == nil {
		t.Error("a program that is not there was started")
	} else if !strings.Contains(err.Error(), "nosuchprogram") {
		t.Errorf("the error does not name the program: %v", err)
	}
	if _, err := e.Delete(h.Ctx()); err != nil && !errdefs.IsNotFound(err) {
		t.Errorf("cannot delete a process that did not start: %v", err)
	}
	expectOutput(t, h, c, "alive", "echo", "alive")
}

// TestExecThatFailsToStart wants a process that could not be started to be as before its
// start, but not waited for any more.
func TestExecThatFailsToStart(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{})
	e := failedExec(t, h, c)
	if code := exitOf(t, h, e); code != 0 {
		t.Errorf("exit code %d of what never ran", code)
	}
	if status, err := e.Status(h.Ctx()); err != nil || status.Status != containerd.Created {
		t.Errorf("status %q, %v; want created", status.Status, err)
	}
	if err := e.Kill(h.Ctx(), syscall.SIGKILL); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("killed what does not run: %v", err)
	}
	if err := e.Resize(h.Ctx(), 80, 25); err != nil {
		t.Errorf("cannot resize it: %v", err)
	}
	if _, err := e.Delete(h.Ctx()); err != nil {
		t.Errorf("cannot delete it: %v", err)
	}
	h.Finish(h.Exec(c, harness.ExecSpec{ID: e.ID()})) // its id is free again
	endCleanly(h, c)
}

// TestExecStartedAgain starts a process once more whose start has failed.
func TestExecStartedAgain(t *testing.T) {
	h := newNode(t)
	if harness.Runtime(t) == harness.Stock {
		t.Skip("the stock shim panics: it ends the wait for the process a second time")
	}
	c := h.Run(harness.Spec{})
	e := failedExec(t, h, c)
	if err := e.Start(h.Ctx()); err == nil {
		t.Fatal("started, though nothing has changed")
	}
	expectOutput(t, h, c, "", "sh", "-c", `printf '#!/bin/sh\nexit 7\n' > /tmp/late && chmod +x /tmp/late`)
	if err := e.Start(h.Ctx()); err != nil {
		t.Fatal(err)
	}
	if code := exitOf(t, h, e); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
	endCleanly(h, c)
}

// failedExec is a process whose start has failed: its program is not there.
func failedExec(t *testing.T, h *harness.Harness, c *harness.Container) *harness.Exec {
	t.Helper()
	e, err := c.NewExec(h.Ctx(), harness.ExecSpec{Args: []string{"/tmp/late"}, IO: cio.NullIO})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(h.Ctx()); err == nil || !strings.Contains(err.Error(), "/tmp/late") {
		t.Fatalf("a program that is not there was started, or not named: %v", err)
	}
	return e
}

// exitOf waits anew: a harness.Exec has waited since before the first start.
func exitOf(t *testing.T, h *harness.Harness, e *harness.Exec) uint32 {
	t.Helper()
	exit, err := e.Process.Wait(h.Ctx())
	if err != nil {
		t.Fatal(err)
	}
	status := <-exit
	if status.Error() != nil {
		t.Fatal(status.Error())
	}
	return status.ExitCode()
}

// endCleanly kills and deletes the container, and wants nothing left of it.
func endCleanly(h *harness.Harness, c *harness.Container) {
	h.Kill(c, syscall.SIGKILL)
	h.Wait(c)
	h.Delete(c)
	h.CheckLeaks()
}

// TestExecSameID wants a second process with the id of a living one refused.
func TestExecSameID(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{})
	e := h.Exec(c, harness.ExecSpec{ID: "twin", Args: []string{"sleep", "1000"}})
	if _, err := c.NewExec(h.Ctx(), harness.ExecSpec{ID: "twin"}); !errdefs.IsAlreadyExists(err) {
		t.Errorf("second process of the same id: %v, want already exists", err)
	}
	if err := e.Kill(h.Ctx(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.Finish(e)
	// The id is free again.
	h.Finish(h.Exec(c, harness.ExecSpec{ID: "twin"}))
}

// TestExecAfterExit wants no process to start in a container that has ended.
func TestExecAfterExit(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{Args: []string{"true"}})
	h.Wait(c)
	if e, err := c.NewExec(h.Ctx(), harness.ExecSpec{}); err == nil {
		if err := e.Start(h.Ctx()); err == nil {
			t.Error("a process was started in a stopped container")
		}
	}
}

// TestExecOutlivesParent wants the exit of a process that init adopted not to
// be taken for another's.
func TestExecOutlivesParent(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{})
	for range 5 {
		e := h.Exec(c, harness.ExecSpec{Args: sh("sleep 0.05 >/dev/null 2>&1 & exit 3")})
		if code := h.Finish(e); code != 3 {
			t.Errorf("exit code %d, want 3", code)
		}
	}
}

// TestManyExecs starts processes at once and wants each one's own code and output.
func TestManyExecs(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{})
	const count = 20
	errs := make(chan string, count)
	for i := range count {
		go func() {
			word := strings.Repeat("x", i)
			e, err := c.Exec(h.Ctx(), harness.ExecSpec{Args: sh("echo '" + word + "'; exit ${#0}"), Change: func(p *specs.Process) { p.Args = append(p.Args, word+"_") }})
			if err != nil {
				errs <- err.Error()
				return
			}
			code, err := e.Finish(h.Ctx())
			switch {
			case err != nil:
				errs <- err.Error()
			case code != uint32(i+1) || e.Stdout.String() != word+"\n":
				errs <- "wrong code or output: " + e.Stdout.String()
			default:
				errs <- ""
			}
		}()
	}
	for range count {
		if err := <-errs; err != "" {
			t.Error(err)
		}
	}
}
