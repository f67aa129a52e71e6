package integration

import (
	"os"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/containerd/containerd/v2/pkg/oci"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tango/test/harness"
)

// TestSpec runs one container for each part of the spec and looks from inside.
func TestSpec(t *testing.T) {
	h := newNode(t)
	for _, test := range []struct {
		name string
		opts []oci.SpecOpts
		args []string
		want string
	}{
		{"hostname", []oci.SpecOpts{oci.WithHostname("dancer")}, []string{"hostname"}, "dancer"},
		{"domain name", []oci.SpecOpts{oci.WithDomainname("ball.room")}, []string{"cat", "/proc/sys/kernel/domainname"}, "ball.room"},
		{"user by name", []oci.SpecOpts{oci.WithUser("user")}, sh("id -u"), "1000"},
		{"groups", []oci.SpecOpts{oci.WithUser("user"), oci.WithAdditionalGIDs("user")}, sh("id -G"), "1000 2000"},
		{"cwd is made", []oci.SpecOpts{oci.WithProcessCwd("/not/yet/there")}, []string{"pwd"}, "/not/yet/there"},
		{"env", []oci.SpecOpts{oci.WithEnv([]string{"TANGO=dance"})}, sh("echo $TANGO"), "dance"},
		{"sysctl", edit(func(s *oci.Spec) { s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"} }), []string{"cat", "/proc/sys/net/ipv4/ip_forward"}, "1"},
		{"rlimit", []oci.SpecOpts{oci.WithRlimit(&specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Soft: 99, Hard: 199})}, sh("ulimit -n; ulimit -Hn"), "99\n199"},
		{"oom score", edit(func(s *oci.Spec) { s.Process.OOMScoreAdj = pointer(456) }), []string{"cat", "/proc/self/oom_score_adj"}, "456"},
		{"read-only root", []oci.SpecOpts{oci.WithRootFSReadonly()}, sh("touch /x 2>/dev/null || echo refused; touch /dev/shm/x && echo tmpfs"), "refused\ntmpfs"},
		{"masked file", edit(func(s *oci.Spec) { s.Linux.MaskedPaths = []string{"/etc/hosts"} }), sh("wc -c < /etc/hosts"), "0"},
		{"masked directory", edit(func(s *oci.Spec) { s.Linux.MaskedPaths = []string{"/bin/../etc"} }), sh("echo /etc/*"), "/etc/*"},
		{"read-only path", edit(func(s *oci.Spec) { s.Linux.ReadonlyPaths = []string{"/etc"} }), sh("touch /etc/x 2>/dev/null || echo refused"), "refused"},
		{"no new privileges", edit(func(s *oci.Spec) { s.Process.NoNewPrivileges = true }), statusField("NoNewPrivs"), "1"},
		{"no capabilities", edit(func(s *oci.Spec) { s.Process.Capabilities = &specs.LinuxCapabilities{} }), statusField("CapEff"), "0000000000000000"},
		{"default seccomp profile", []oci.SpecOpts{seccomp.WithDefaultProfile()}, statusField("Seccomp"), "2"},
		{"seccomp rule", edit(func(s *oci.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
				{Names: []string{"mkdir", "mkdirat"}, Action: specs.ActErrno, ErrnoRet: pointer(uint(28))},
			}}
		}), sh("mkdir /x 2>&1; true"), "mkdir: can't create directory '/x': No space left on device"},
		{"device", edit(func(s *oci.Spec) {
			s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{Path: "/dev/nothing", Type: "c", Major: 1, Minor: 3, FileMode: pointer(os.FileMode(0o640 | osCharDevice)), UID: pointer(uint32(5)), GID: pointer(uint32(6))})
			s.Linux.Resources.Devices = append(s.Linux.Resources.Devices, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: pointer(int64(1)), Minor: pointer(int64(3)), Access: "rwm"})
		}), sh("stat -c '%F %t:%T %a %u %g' /dev/nothing; wc -c < /dev/nothing"), "character special file 1:3 640 5 6\n0"},
		{"default devices", nil, sh("cd /dev && ls -d null zero full random urandom tty ptmx stdin stdout stderr fd | wc -l; head -c 2 zero | wc -c"), "11\n2"},
		{"device not allowed", []oci.SpecOpts{oci.WithAddedCapabilities([]string{"CAP_MKNOD"})}, sh("mknod /tmp/d b 7 200 2>&1 && cat /tmp/d 2>&1; true"), "cat: can't open '/tmp/d': Operation not permitted"},
		{"pid namespace", nil, sh("echo $$"), "1"},
		{"host pid namespace", []oci.SpecOpts{oci.WithHostNamespace(specs.PIDNamespace)}, sh("[ $$ -gt 1 ] && echo host"), "host"},
		{"cgroup namespace", []oci.SpecOpts{oci.WithLinuxNamespace(specs.LinuxNamespace{Type: specs.CgroupNamespace})}, sh("grep -c ':/$' /proc/self/cgroup | grep -v '^0$' >/dev/null && echo own"), "own"},
		{"network namespace", nil, sh("ls /sys/class/net"), "lo"},
		{"umask", edit(func(s *oci.Spec) { s.Process.User.Umask = pointer(uint32(0o77)) }), sh("umask"), "0077"},
		{"personality", edit(func(s *oci.Spec) { s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32} }), []string{"uname", "-m"}, "i686"},
		{"scheduler", edit(func(s *oci.Spec) { s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedOther, Nice: 7} }), []string{"cut", "-d ", "-f19", "/proc/self/stat"}, "7"},
		{"io priority", edit(func(s *oci.Spec) {
			s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6}
		}), sh("ionice -p $$"), "best-effort: prio 6"},
		{"time namespace", edit(func(s *oci.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
			s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 100 * 24 * 3600 * 365}}
		}), sh("[ $(cut -d. -f1 /proc/uptime) -gt 3153600000 ] && echo later"), "later"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := runToEnd(t, h.In(t), harness.Spec{OCI: test.opts, Args: test.args}); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// osCharDevice is the type part that OCI specs carry in a device's file mode.
const osCharDevice = 0o20000

// TestHostNetwork shares the network namespace of the host.
func TestHostNetwork(t *testing.T) {
	h := newNode(t)
	got := runToEnd(t, h, harness.Spec{OCI: []oci.SpecOpts{oci.WithHostNamespace(specs.NetworkNamespace)}, Args: []string{"readlink", "/proc/self/ns/net"}})
	if !strings.HasPrefix(got, "net:[") {
		t.Errorf("network namespace %q", got)
	}
}

// TestNoLeakedDescriptors lists the open files of the first process and of a
// further one: nothing of the shim may be among them.
func TestNoLeakedDescriptors(t *testing.T) {
	h := newNode(t)
	c := h.Run(harness.Spec{Args: sh("ls /proc/self/fd; exec sleep 1000")})
	// 3 is the directory that ls itself has open.
	h.Eventually("the list is there", func() bool { return strings.HasSuffix(c.Stdout.String(), "3\n") })
	if got := strings.Fields(c.Stdout.String()); len(got) != 4 {
		t.Errorf("the first process has descriptors %v", got)
	}
	if got := strings.Fields(h.Output(c, "ls", "/proc/self/fd")); len(got) != 4 {
		t.Errorf("a further process has descriptors %v", got)
	}
}
