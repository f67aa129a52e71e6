package hostile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// listFDs lists its own descriptors; the one by which it does leads to the list.
var listFDs = []string{"/bin/ls", "-l", "/proc/self/fd"}

// TestDescriptors wants a container's processes to have no descriptors but their
// streams (CVE-2024-21626 began with one that was left).
func TestDescriptors(t *testing.T) {
	h := harness.New(t, harness.Options{})
	for name, userNS := range map[string]*harness.UserNS{"plain": nil, "userns": harness.NthUserNS(1)} {
		t.Run(name, func(t *testing.T) {
			h := h.In(t)
			c := h.Run(harness.Spec{UserNS: userNS, Args: listFDs})
			h.Wait(c)
			onlyStreams(t, "init", c.Stdout.String())
			onlyStreams(t, "exec", h.Output(h.Run(harness.Spec{UserNS: userNS}), listFDs...))
		})
	}
}

func onlyStreams(t *testing.T, who, list string) {
	t.Helper()
	entries, streams := 0, 0
	for _, line := range strings.Split(strings.TrimSpace(list), "\n") {
		if strings.HasPrefix(line, "total ") {
			continue
		}
		entries++
		if _, target, ok := strings.Cut(line, " -> "); ok && (target == "/dev/null" || strings.HasPrefix(target, "pipe:")) {
			streams++
		}
	}
	if entries != 4 || streams != 3 { // the streams, and the list, which is closed when it is printed
		t.Errorf("%s has other descriptors than its streams and the list of them:\n%s", who, list)
	}
}

// overwrite holds on to the binary of whatever comes into the container by an exec,
// and tries to write to it while that becomes another program (CVE-2019-5736).
const overwrite = `attack() {
	echo caught $(readlink /proc/self/fd/5)
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		echo evil >/proc/self/fd/5 && echo WRITTEN
		sleep 0.02
	done
}
while :; do for p in /proc/[0-9]*/exe; do
	[ $p -ef /bin/busybox ] || attack 5<$p
done; done 2>/dev/null`

// awaitTangoInit runs containers until they start from tango-init: the shim's own
// binary, from which the first ones start, can't be written to as long as it runs.
func awaitTangoInit(h *harness.Harness) {
	h.Eventually("containers start from tango-init", func() bool {
		c := h.Run(harness.Spec{})
		defer h.Delete(c)
		shims, err := h.Shims()
		if err != nil || len(shims) != 1 {
			return false
		}
		fds, _ := harness.FDs(shims[0].PID) // none: not this time
		return slices.ContainsFunc(slices.Collect(maps.Values(fds)), func(target string) bool {
			return strings.Contains(target, ":tango-init")
		})
	})
}

// TestBinaryStays wants what comes in by an exec to stay what it is. The container
// may look into any of its processes, as most must not.
func TestBinaryStays(t *testing.T) {
	h := harness.New(t, harness.Options{})
	awaitTangoInit(h)
	c := h.Run(harness.Spec{Args: sh(overwrite), OCI: []oci.SpecOpts{oci.WithAddedCapabilities([]string{"CAP_SYS_PTRACE"})}})
	const wanted = 5
	tried := 0
	for strings.Count(c.Stdout.String(), ":tango-init (deleted)\n") <= wanted {
		if out := h.Output(c, "/bin/echo", "alive"); out != "alive\n" {
			t.Fatalf("an exec wrote %q", out)
		}
		if tried++; tried > 3000 {
			t.Fatalf("of %d execs, too few were caught to tell: %q", tried, c.Stdout)
		}
	}
	t.Logf("caught %d times in %d execs", wanted, tried)
	if strings.Contains(c.Stdout.String(), "WRITTEN") {
		t.Error("the runtime's binary was written to")
	}
}

// TestWorkingDirectoryByDescriptor tries every descriptor that the runtime may
// have open as the way out of the container (CVE-2024-21626).
func TestWorkingDirectoryByDescriptor(t *testing.T) {
	h := harness.New(t, harness.Options{})
	c := h.Run(harness.Spec{})
	for fd := 3; fd < 40; fd++ {
		cwd := fmt.Sprintf("/proc/self/fd/%d", fd)
		a := run(t, h, harness.Spec{Args: sh("ls ../../../../etc/hostname; cat marker"), OCI: edit(func(s *oci.Spec) { s.Process.Cwd = cwd })}, func(string) {})
		if a.failed == "" {
			t.Errorf("a container ran in %s: %v", cwd, a)
		}
		e, err := c.Exec(h.Ctx(), harness.ExecSpec{Args: sh("pwd -P"), Change: inDirectory(cwd)})
		if err == nil {
			t.Errorf("an exec ran in %s: code %d, %q", cwd, h.Finish(e), e.Stdout)
		} else if e != nil {
			_, _ = e.Delete(h.Ctx())
		}
	}
}

func inDirectory(cwd string) func(*specs.Process) {
	return func(p *specs.Process) { p.Cwd = cwd }
}
