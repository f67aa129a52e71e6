package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"tango/test/vm/job"
)

// mount is one call of mount(2).
type mount struct {
	source, target, fstype string
	flags                  uintptr
	data                   string
}

// do makes the mount, and its mount point where there is none.
func (m mount) do() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount(m.source, m.target, m.fstype, m.flags, m.data); err != nil {
		return fmt.Errorf("cannot mount %s on %s: %w", m.source, m.target, err)
	}
	return nil
}

// cgroupRoot is where both versions of cgroups are mounted.
const cgroupRoot = "/sys/fs/cgroup"

// mountSystem does what systemd does before its first service: a shared root,
// the usual pseudo filesystems, cgroups of the wanted version, the loopback.
func mountSystem() error {
	j, err := readJob("/run/tango" + job.Path)
	if err != nil {
		return err
	}
	secure := uintptr(syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC)
	for _, m := range []mount{
		{"none", "/", "", syscall.MS_SHARED | syscall.MS_REC, ""},
		{"devpts", "/dev/pts", "devpts", syscall.MS_NOSUID | syscall.MS_NOEXEC, "gid=5,mode=620,ptmxmode=000"},
		{"shm", "/dev/shm", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=1777"},
		{"mqueue", "/dev/mqueue", "mqueue", secure, ""},
		{"securityfs", "/sys/kernel/security", "securityfs", secure, ""},
		{"tracefs", "/sys/kernel/tracing", "tracefs", secure, ""},
	} {
		if err := m.do(); err != nil {
			return err
		}
	}
	cgroups := mountCgroup2
	if j.Machine.Cgroup == 1 {
		cgroups = mountCgroup1
	}
	return errors.Join(cgroups(), loopbackUp(), syscall.Sethostname([]byte("tango")))
}

// mountCgroup2 mounts the unified hierarchy and hands all controllers down.
func mountCgroup2() error {
	if err := (mount{"cgroup2", cgroupRoot, "cgroup2", syscall.MS_NOSUID, "nsdelegate"}).do(); err != nil {
		return err
	}
	b, err := os.ReadFile(cgroupRoot + "/cgroup.controllers")
	if err != nil {
		return err
	}
	for _, c := range strings.Fields(string(b)) {
		if err := os.WriteFile(cgroupRoot+"/cgroup.subtree_control", []byte("+"+c), 0); err != nil {
			return fmt.Errorf("cannot hand down controller %s: %w", c, err)
		}
	}
	return nil
}

// mountCgroup1 mounts one hierarchy for each controller that the kernel has.
func mountCgroup1() error {
	if err := (mount{"tmpfs", cgroupRoot, "tmpfs", syscall.MS_NOSUID, "mode=755"}).do(); err != nil {
		return err
	}
	controllers, err := enabledControllers()
	if err != nil {
		return err
	}
	for _, c := range controllers {
		if err := (mount{"cgroup", cgroupRoot + "/" + c, "cgroup", syscall.MS_NOSUID, c}).do(); err != nil {
			return err
		}
	}
	return mount{"cgroup", cgroupRoot + "/systemd", "cgroup", syscall.MS_NOSUID, "none,name=systemd"}.do()
}

// enabledControllers lists the controllers that /proc/cgroups calls enabled.
func enabledControllers() ([]string, error) {
	f, err := os.Open("/proc/cgroups")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var names []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 4 && fields[3] == "1" {
			names = append(names, fields[0])
		}
	}
	return names, lines.Err()
}
