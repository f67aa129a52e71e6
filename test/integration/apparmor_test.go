package integration

import (
	"os"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// needsProfile returns the name of a profile that the kernel has loaded, and which
// denies mounting.
func needsProfile(t *testing.T) string {
	t.Helper()
	name := os.Getenv("TANGO_APPARMOR_PROFILE")
	if name == "" {
		t.Skip("THE PREMISE IS MISSING: $TANGO_APPARMOR_PROFILE names no profile, so AppArmor is NOT tested")
	}
	return name
}

func withProfile(name string) oci.SpecOpts {
	return harness.Edit(func(s *oci.Spec) { s.Process.ApparmorProfile = name })
}

// trespass does what the profile denies, and what it lets root do.
const trespass = `mkdir -p /forbidden /allowed
touch /allowed/x && echo allowed
mount -t tmpfs none /forbidden 2>/dev/null && echo mounted
cut -d' ' -f1 /proc/self/attr/current`

// TestAppArmor runs the same container with a profile and without one. A further
// process is confined as the first.
func TestAppArmor(t *testing.T) {
	profile := needsProfile(t)
	h := newNode(t)
	admin := oci.WithAddedCapabilities([]string{"CAP_SYS_ADMIN"})
	c := h.Run(harness.Spec{OCI: []oci.SpecOpts{admin, withProfile(profile)}, Args: sh(trespass + "\nexec sleep 1000")})
	want := "allowed\n" + profile + "\n"
	h.Eventually("the first process has tried", func() bool { return strings.HasSuffix(c.Stdout.String(), profile+"\n") })
	if got := c.Stdout.String(); got != want {
		t.Errorf("confined, the first process wrote %q, want %q", got, want)
	}
	expectOutput(t, h, c, strings.TrimSpace(want), sh(trespass)...)
	free := h.Run(harness.Spec{OCI: []oci.SpecOpts{admin, withProfile("unconfined")}})
	expectOutput(t, h, free, "allowed\nmounted\nunconfined", sh(trespass)...)
}

// TestAppArmorOfAnExec confines a further process only.
func TestAppArmorOfAnExec(t *testing.T) {
	profile := needsProfile(t)
	h := newNode(t)
	c := h.Run(harness.Spec{})
	e := h.Exec(c, harness.ExecSpec{
		Args:   []string{"cat", "/proc/self/attr/current"},
		Change: func(p *specs.Process) { p.ApparmorProfile = profile },
	})
	h.Finish(e)
	if got := strings.TrimSpace(e.Stdout.String()); got != profile+" (enforce)" {
		t.Errorf("the process is confined by %q, want %q", got, profile)
	}
}

// TestAppArmorUnknownProfile wants an error that says what it is about, as runc's does.
func TestAppArmorUnknownProfile(t *testing.T) {
	needsProfile(t)
	h := newNode(t)
	c, err := h.Node.Run(h.Ctx(), harness.Spec{OCI: []oci.SpecOpts{withProfile("tango-not-loaded")}})
	if err == nil {
		h.Delete(c)
		t.Fatal("a container runs with a profile that is not loaded")
	}
	if !strings.Contains(err.Error(), "unable to apply apparmor profile") {
		t.Errorf("the error does not say what could not be applied: %v", err)
	}
}

// appArmorOn tells whether AppArmor confines processes here.
func appArmorOn() bool {
	data, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && strings.HasPrefix(string(data), "Y")
}

// TestAppArmorOff wants a profile refused, in runc's words, where there is no
// AppArmor.
func TestAppArmorOff(t *testing.T) {
	if appArmorOn() {
		t.Skip("AppArmor is on here: TestAppArmor tests profiles")
	}
	h := newNode(t)
	sameRefusal(t, h, harness.Spec{OCI: []oci.SpecOpts{withProfile("tango-profile")}}, "apparmor failed to apply profile")
	sameExecRefusal(t, h, harness.ExecSpec{Change: func(p *specs.Process) { p.ApparmorProfile = "tango-profile" }}, "apparmor failed to apply profile")
	h.CheckLeaks()
}
