package host

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// reaper collects the shims that this process has started, when they end, and no
// other children: those have somebody who waits for them. What a shim that was killed
// has left of its socket it takes away: containerd has nobody do that for a shim that
// it has not reached.
type reaper struct {
	mu   sync.Mutex
	pids map[int]*socketFile // nil as long as the shim serves none
}

func newReaper(ctx context.Context) *reaper {
	r := &reaper{pids: make(map[int]*socketFile)}
	died := make(chan os.Signal, 1)
	signal.Notify(died, unix.SIGCHLD)
	go func() {
		defer signal.Stop(died)
		for {
			select {
			case <-died:
				r.reap()
			case <-ctx.Done():
				return
			}
		}
	}()
	return r
}

// start starts a process that is collected here.
func (r *reaper) start(cmd *exec.Cmd) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	r.pids[cmd.Process.Pid] = nil
	return nil
}

// serves notes which socket a shim that was started here serves.
func (r *reaper) serves(pid int, socket *socketFile) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, lives := r.pids[pid]; !lives {
		socket.remove()
		return
	}
	r.pids[pid] = socket
}

// kill kills a process that was started here, unless it has been collected: then its
// pid may be somebody else's.
func (r *reaper) kill(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, lives := r.pids[pid]; lives {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

func (r *reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for pid, socket := range r.pids {
		if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); got == pid || err == unix.ECHILD {
			delete(r.pids, pid)
			socket.remove()
		}
	}
}
