package container

import (
	"os"
	"syscall"
	"time"

	"github.com/containerd/log"
	"golang.org/x/sys/unix"

	"tango/mounts/fault"
)

// exitBySignal is added to the number of the signal that ended a process.
const exitBySignal = 128

// watch has the process's exit handled when it comes. It waits for a pidfd in
// Go's poller, so a running process costs a goroutine but no thread. reap
// collects the exit status of the process, which by then is a zombie.
//
// Needs Linux 5.10 (PIDFD_NONBLOCK).
func (p *Process) watch(reap func() (*os.ProcessState, error)) error {
	pid := p.Pid()
	if err := fault.Point("watch.pidfd"); err != nil {
		return err
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	p.c.rt.children.own(pid)
	go func() {
		if err := awaitExit(pidfd); err != nil {
			log.L.WithError(err).WithField("pid", pid).Error("cannot wait for a process")
		}
		fault.Here("watch.exit")
		status := exitStatus(reap())
		_ = pidfd.Close()
		p.c.rt.children.disown(pid)
		fault.Here("watch.reaped")
		p.exited(Exit{Status: status, At: time.Now()})
	}()
	return nil
}

// awaitExit blocks until the pidfd's process is a zombie.
func awaitExit(pidfd *os.File) error {
	conn, err := pidfd.SyscallConn()
	if err != nil {
		return err
	}
	return conn.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return n > 0 && err == nil
	})
}

// exitStatus turns a wait status into what a shell would report; 255 if the
// process could not be waited for.
func exitStatus(state *os.ProcessState, _ error) int {
	if state == nil {
		return 255
	}
	ws := state.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return exitBySignal + int(ws.Signal())
	}
	return ws.ExitStatus()
}
