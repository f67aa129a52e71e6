package integration

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// limitNames are how the kernel names each limit in /proc/PID/limits.
var limitNames = map[string]string{
	"RLIMIT_AS": "Max address space", "RLIMIT_CORE": "Max core file size", "RLIMIT_CPU": "Max cpu time",
	"RLIMIT_DATA": "Max data size", "RLIMIT_FSIZE": "Max file size", "RLIMIT_LOCKS": "Max file locks",
	"RLIMIT_MEMLOCK": "Max locked memory", "RLIMIT_MSGQUEUE": "Max msgqueue size", "RLIMIT_NICE": "Max nice priority",
	"RLIMIT_NOFILE": "Max open files", "RLIMIT_NPROC": "Max processes", "RLIMIT_RSS": "Max resident set",
	"RLIMIT_RTPRIO": "Max realtime priority", "RLIMIT_RTTIME": "Max realtime timeout",
	"RLIMIT_SIGPENDING": "Max pending signals", "RLIMIT_STACK": "Max stack size",
}

// limitRow is a line of /proc/PID/limits.
var limitRow = regexp.MustCompile(`(?m)^(Max [a-z ]+?)\s{2,}(\d+|unlimited)\s+(\d+|unlimited)`)

// everyLimit sets each limit to values of its own, large enough to live with and
// none above what this process has: to raise one takes a capability.
func everyLimit(t *testing.T) (limits []specs.POSIXRlimit, want map[string]string) {
	t.Helper()
	highest := make(map[string]uint64)
	for _, m := range limitRow.FindAllStringSubmatch(readProc(t, os.Getpid(), "limits"), -1) {
		n, err := strconv.ParseUint(m[3], 10, 64)
		if err != nil {
			n = math.MaxInt64 // unlimited
		}
		highest[m[1]] = n
	}
	want = make(map[string]string)
	for name, label := range limitNames {
		room := uint64(1 << 30)
		if name == "RLIMIT_AS" {
			room = 1 << 40 // init, which has the limit already, is a Go program and may start one more thread
		}
		soft := min(room+uint64(len(want))*4096, highest[label])
		hard := min(soft+1, highest[label])
		limits = append(limits, specs.POSIXRlimit{Type: name, Soft: soft, Hard: hard})
		want[label] = fmt.Sprintf("%d %d", soft, hard)
	}
	return limits, want
}

// TestEveryRlimit sets all limits there are, for a container and for a process.
func TestEveryRlimit(t *testing.T) {
	h := newNode(t)
	limits, want := everyLimit(t)
	c := h.Run(harness.Spec{OCI: edit(func(s *oci.Spec) { s.Process.Rlimits = limits }), Args: sh("cat /proc/self/limits; exec sleep 1000")})
	h.Eventually("the list is there", func() bool {
		if c.Stderr.String() != "" {
			t.Fatalf("it complained: %s", c.Stderr)
		}
		return strings.Contains(c.Stdout.String(), "Max realtime timeout")
	})
	compareLimits(t, c.Stdout.String(), want)

	limits, want = everyLimit(t)
	e := h.Exec(c, harness.ExecSpec{Args: []string{"cat", "/proc/self/limits"}, Change: func(p *specs.Process) { p.Rlimits = limits }})
	if code := h.Finish(e); code != 0 {
		t.Errorf("ended with code %d: %s", code, e.Stderr)
	}
	compareLimits(t, e.Stdout.String(), want)
}

func compareLimits(t *testing.T, table string, want map[string]string) {
	t.Helper()
	seen := 0
	for _, m := range limitRow.FindAllStringSubmatch(table, -1) {
		seen++
		if got := m[2] + " " + m[3]; got != want[m[1]] {
			t.Errorf("%s: %s, want %s", m[1], got, want[m[1]])
		}
	}
	if seen != len(want) {
		t.Errorf("%d limits in the list, want %d:\n%s", seen, len(want), table)
	}
}

// TestSysctls wants sysctls of each namespace set inside and not on the host,
// and those that belong to no namespace refused.
func TestSysctls(t *testing.T) {
	h := newNode(t)
	values := map[string]string{
		"net.ipv4.ip_unprivileged_port_start": "77", "net.ipv4/ping_group_range": "5\t9",
		"kernel.shmmax": "123456", "kernel.msgmax": "4321", "fs.mqueue.msg_max": "17", "kernel.domainname": "ball.room",
	}
	c := h.Run(harness.Spec{OCI: edit(func(s *oci.Spec) { s.Linux.Sysctl = values })})
	for name, want := range values {
		path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
		expectOutput(t, h, c, want, "cat", path)
		if got := readProc(t, 1, "../sys/"+strings.ReplaceAll(name, ".", "/")); got == want {
			t.Errorf("%s is %s on the host, too", name, got)
		}
	}
	for _, name := range []string{"kernel.hostname2", "vm.swappiness", "kernel.pid_max"} {
		spec := harness.Spec{OCI: edit(func(s *oci.Spec) { s.Linux.Sysctl = map[string]string{name: "1"} })}
		if _, err := h.Node.Run(h.Ctx(), spec); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want an error that names it", name, err)
		}
	}
	h.Delete(c)
	h.CheckLeaks()
}

// TestEveryCapability gives each set of capabilities other ones, and wants all in
// the right set.
func TestEveryCapability(t *testing.T) {
	h := newNode(t)
	chown, kill, all := "CAP_CHOWN", "CAP_KILL", []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL"}
	sets := &specs.LinuxCapabilities{
		Bounding: all, Permitted: all, Effective: []string{chown}, Inheritable: []string{chown, kill}, Ambient: []string{kill},
	}
	want := []string{"CapAmb: 0000000000000020", "CapBnd: 0000000000000023", "CapEff: 0000000000000020", "CapInh: 0000000000000021", "CapPrm: 0000000000000020"}
	// Without the rules for root, which would give a program all that is permitted.
	user := func(p *specs.Process) { p.Capabilities, p.User = sets, specs.User{UID: 1000, GID: 1000} }
	c := h.Run(harness.Spec{OCI: edit(func(s *oci.Spec) { user(s.Process) }), Args: sh("cat /proc/self/status; exec sleep 1000")})
	h.Eventually("the list is there", func() bool { return strings.Contains(c.Stdout.String(), "CapAmb") })
	compareSets(t, c.Stdout.String(), want)
	e := h.Exec(c, harness.ExecSpec{Args: []string{"cat", "/proc/self/status"}, Change: user})
	if code := h.Finish(e); code != 0 {
		t.Errorf("ended with code %d: %s", code, e.Stderr)
	}
	compareSets(t, e.Stdout.String(), want)
}

func compareSets(t *testing.T, status string, want []string) {
	t.Helper()
	var got []string
	for _, line := range strings.Split(status, "\n") {
		if strings.HasPrefix(line, "Cap") {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("sets %v, want %v", got, want)
	}
}
