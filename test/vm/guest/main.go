// Command guest is all that a matrix guest runs besides the tests. It is the
// initramfs's init, then PID 1 of the disk (or a service, where systemd is PID
// 1), runs the test binaries of its job one after the other, and powers off.
// It must be built without cgo, since it starts before there is a libc.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// self is where the guest's program lives once the disk is the root.
const self = "/run/tango/guest"

func main() {
	role, run := "initramfs", initramfs
	switch {
	case os.Getpid() != 1:
		role, run = "job", runJob
	case len(os.Args) > 1 && os.Args[1] == "pid1":
		role, run = "pid1", pid1
	}
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "guest %s: %v\n", role, err)
	}
	powerOff()
}

// pid1 mounts what an init mounts, starts the job as a child, and reaps
// whatever is handed to PID 1 until the job has ended.
func pid1() error {
	if err := mountSystem(); err != nil {
		return err
	}
	cmd := exec.Command(self, "run")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start the job: %w", err)
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid == cmd.Process.Pid {
			return err
		}
	}
}

// powerOff ends the guest without asking anybody: its disk is thrown away.
func powerOff() {
	syscall.Sync()
	if err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Fprintf(os.Stderr, "guest: cannot power off: %v\n", err)
	}
	select {}
}
