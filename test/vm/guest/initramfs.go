package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"tango/test/vm/job"
)

// sysFinitModule is finit_module(2) on amd64; package syscall has no name for it.
const sysFinitModule = 313

// newRoot is where the disk is mounted before it becomes the root.
const newRoot = "/newroot"

// initramfs is the first life of the program: it loads modules, makes the disk
// the root and becomes that root's PID 1.
func initramfs() error {
	for _, m := range []mount{{"proc", "/proc", "proc", 0, ""}, {"sys", "/sys", "sysfs", 0, ""}, {"dev", "/dev", "devtmpfs", 0, ""}} {
		if err := m.do(); err != nil {
			return err
		}
	}
	j, err := readJob(job.Path)
	if err != nil {
		return err
	}
	for _, m := range j.Modules {
		if err := loadModule(m); err != nil {
			return err
		}
	}
	if err := assembleRoot(); err != nil {
		return err
	}
	if err := handOver(j); err != nil {
		return err
	}
	return enterRoot(j.Machine.Systemd)
}

// readJob reads the job that the matrix put into the initramfs.
func readJob(path string) (job.Job, error) {
	var j job.Job
	b, err := os.ReadFile(path)
	if err != nil {
		return j, fmt.Errorf("cannot read the job: %w", err)
	}
	return j, json.Unmarshal(b, &j)
}

// loadModule loads one module file; a module that is loaded already is fine.
func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot load module: %w", err)
	}
	defer f.Close()
	options := [1]byte{}
	_, _, errno := syscall.Syscall(sysFinitModule, f.Fd(), uintptr(unsafe.Pointer(&options)), 0)
	if errno != 0 && errno != syscall.EEXIST {
		return fmt.Errorf("cannot load module %s: %w", path, errno)
	}
	return nil
}

// assembleRoot mounts the disks and the kernel's modules below newRoot.
func assembleRoot() error {
	root, err := findDisk("tango-root")
	if err != nil {
		return err
	}
	payload, err := findDisk("tango-payload")
	if err != nil {
		return err
	}
	for _, m := range []mount{
		{root, newRoot, "ext4", syscall.MS_NOATIME, ""},
		{payload, newRoot + "/tango", "ext4", syscall.MS_RDONLY, ""},
		{"/lib/modules", newRoot + "/usr/lib/modules", "", syscall.MS_BIND, ""},
		{"run", newRoot + "/run", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=755"},
		{"/proc", newRoot + "/proc", "", syscall.MS_MOVE, ""},
		{"/sys", newRoot + "/sys", "", syscall.MS_MOVE, ""},
		{"/dev", newRoot + "/dev", "", syscall.MS_MOVE, ""},
	} {
		if err := m.do(); err != nil {
			return err
		}
	}
	return nil
}

// findDisk waits for the virtio disk with a serial number: drivers bind in the
// background, and names follow the order in which they do.
func findDisk(serial string) (string, error) {
	for range 200 {
		files, err := filepath.Glob("/sys/block/vd*/serial")
		if err != nil {
			return "", err
		}
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && strings.TrimSpace(string(b)) == serial {
				return "/dev/" + filepath.Base(filepath.Dir(f)), nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "", fmt.Errorf("cannot find disk %s", serial)
}

// handOver copies the program and its job to the new root's /run.
func handOver(j job.Job) error {
	to := newRoot + filepath.Dir(self)
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	program, err := os.ReadFile("/init")
	if err != nil {
		return err
	}
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	err = errors.Join(os.WriteFile(newRoot+self, program, 0o755), os.WriteFile(to+job.Path, text, 0o644))
	if err == nil && j.Machine.Systemd {
		err = writeUnit()
	}
	return err
}

// unit runs the job where systemd is PID 1. Like containerd's own unit it
// delegates its cgroup and leaves the processes of containers alone.
const unit = `[Unit]
Description=Tests of tango
After=basic.target dbus.socket
[Service]
Type=exec
ExecStart=` + self + ` run
Delegate=yes
KillMode=process
TasksMax=infinity
LimitNOFILE=1048576
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
`

func writeUnit() error {
	units := newRoot + "/run/systemd/system"
	wants := units + "/multi-user.target.wants"
	if err := os.MkdirAll(wants, 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(units+"/tango-guest.service", []byte(unit), 0o644),
		os.Symlink("../tango-guest.service", wants+"/tango-guest.service"))
}

// enterRoot makes newRoot the root, as switch_root(8) does, and executes PID 1.
// The initramfs's files stay: the modules are used from there.
func enterRoot(systemd bool) error {
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := syscall.Mount(".", "/", "", syscall.MS_MOVE, ""); err != nil {
		return fmt.Errorf("cannot move the disk to /: %w", err)
	}
	if err := errors.Join(syscall.Chroot("."), os.Chdir("/")); err != nil {
		return err
	}
	if systemd {
		return syscall.Exec("/usr/lib/systemd/systemd", []string{"/sbin/init"}, []string{"PATH=/usr/sbin:/usr/bin"})
	}
	return syscall.Exec(self, []string{self, "pid1"}, []string{"PATH=/usr/sbin:/usr/bin"})
}
