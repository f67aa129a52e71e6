package host

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/cgroups/v3"
	"golang.org/x/sys/unix"

	"tango/shim/relay"
)

// needUnified ends a test where cgroup version 2 isn't: there it is seen that a service
// works without, by all the others.
func needUnified(t *testing.T) {
	t.Helper()
	if unifiedRoot() == "" {
		t.Skip("NOT TESTED: cgroup version 2 is not mounted, so a service has no cgroup of its own")
	}
}

// unifiedOf is a process's cgroup of version 2.
func unifiedOf(t *testing.T, pid int) string {
	t.Helper()
	_, of, err := cgroups.ParseCgroupFileUnified(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	return of
}

// tellCgroup answers with the cgroup of a warm shim.
func tellCgroup(warm *Pool) relay.Reply {
	w := warm.Take()
	if w == nil {
		return relay.Reply{Status: relay.Declined}
	}
	defer w.Close()
	_, of, err := cgroups.ParseCgroupFileUnified(fmt.Sprintf("/proc/%d/cgroup", w.Pid))
	if err != nil {
		return relay.Reply{Status: 1, Stderr: []byte(err.Error())}
	}
	return relay.Reply{Stdout: []byte(of)}
}

func TestServiceHasACgroup(t *testing.T) {
	needUnified(t)
	c, pid := run(t)
	ours, dir, err := unifiedCgroup()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := unifiedOf(t, pid), path.Join(ours, c.cgroupName()); got != want {
		t.Errorf("the service is in %s, want %s", got, want)
	}
	var shim string
	eventually(t, "a warm shim is ready", func() bool {
		var status int
		status, shim = ask(t, c, "/", "", "shim", "cgroup")
		return status == 0
	})
	if shim != ours {
		t.Errorf("a shim is in %s, want %s, where who asks for it is", shim, ours)
	}
	if err := unix.Kill(pid, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended(t, pid)
	if _, err := os.Lstat(filepath.Join(dir, c.cgroupName())); !os.IsNotExist(err) {
		t.Errorf("the service has ended, and its cgroup: %v", err)
	}
}

// A cgroup that somebody sweeps away before the service is born in it is made anew.
func TestServiceHasACgroupThatWasSwept(t *testing.T) {
	needUnified(t)
	c := Config{RunDir: t.TempDir(), Relay: "swept.relay"}
	var tries int
	var born string
	err := c.inOwnCgroup(func(own *os.File) error {
		if tries++; tries < 3 {
			SweepCgroups()
		}
		cmd := exec.Command("/bin/cat", "/proc/self/cgroup")
		cmd.SysProcAttr = &syscall.SysProcAttr{}
		bornIn(cmd, own)
		out, err := cmd.Output()
		born = string(out)
		return err
	})
	defer SweepCgroups()
	if err != nil || tries != 3 || !strings.Contains(born, "/"+c.cgroupName()+"\n") {
		t.Errorf("at try %d a process is born in %q, %v; want the service's cgroup at the third", tries, born, err)
	}
}

// A service that was killed leaves its cgroup to the next one, or to whoever sweeps.
func TestSweepCgroups(t *testing.T) {
	needUnified(t)
	c, pid := run(t)
	_, dir, err := unifiedCgroup()
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, c.cgroupName())
	SweepCgroups()
	if _, err := os.Lstat(own); err != nil {
		t.Errorf("a service runs, and its cgroup: %v", err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ended(t, pid)
	eventually(t, "its cgroup is swept", func() bool {
		SweepCgroups()
		_, err := os.Lstat(own)
		return os.IsNotExist(err)
	})
}
