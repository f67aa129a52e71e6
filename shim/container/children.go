package container

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// children tells this process's children apart: those that somebody here waits
// for, and orphans of containers, which the kernel hands to the shim because it
// is their subreaper. Nobody waits for orphans, so they are reaped here, and
// only they: a wait4(-1) would steal libcontainer's children.
type children struct {
	mu       sync.Mutex
	owned    map[int]int // pid -> by how many
	starting int         // operations that may have children nobody knows yet
}

func newChildren() *children { return &children{owned: map[int]int{}} }

// begin and end enclose whatever may start processes.
func (c *children) begin() {
	c.mu.Lock()
	c.starting++
	c.mu.Unlock()
}

func (c *children) end() {
	c.mu.Lock()
	c.starting--
	c.mu.Unlock()
	c.reap()
}

// own and disown say who has somebody that waits for them.
func (c *children) own(pids ...int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, pid := range pids {
		c.owned[pid]++
	}
}

func (c *children) disown(pids ...int) {
	c.mu.Lock()
	for _, pid := range pids {
		if c.owned[pid]--; c.owned[pid] <= 0 {
			delete(c.owned, pid)
		}
	}
	c.mu.Unlock()
	c.reap()
}

// reapOrphans reaps until ctx is done.
func (c *children) reapOrphans(ctx context.Context) {
	died := make(chan os.Signal, 1)
	signal.Notify(died, unix.SIGCHLD)
	defer signal.Stop(died)
	for {
		select {
		case <-died:
			c.reap()
		case <-ctx.Done():
			return
		}
	}
}

// reap collects orphans as far as they come first among the zombies. One that is
// hidden behind an owned zombie is collected when that one's owner disowns it.
func (c *children) reap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.starting == 0 {
		pid := firstZombie()
		if pid == 0 || c.owned[pid] > 0 {
			return
		}
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
	}
}

// sigchldInfo is the part of siginfo_t that waitid(2) fills in.
type sigchldInfo struct {
	signo, errno, code int32
	_                  int32 // the union is aligned to 8 bytes on 64-bit machines
	pid                int32
}

// firstZombie peeks at the first child that can be waited for; 0 if none can.
func firstZombie() int {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil {
		return 0
	}
	return int((*sigchldInfo)(unsafe.Pointer(&info)).pid)
}
