package container

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/opencontainers/cgroups"
)

const (
	// primeAgain is less than an RCU grace period, for which a primed lock stays
	// cheap.
	primeAgain = 6 * time.Millisecond
	// primes is how often one create or exec does it: often enough on an idle host,
	// and on a busy one others have just done it.
	primes = 2
)

// primeCgroupLock makes the kernel's lock for cgroup membership ready to be taken
// at once. The first write to a cgroup.procs for a while waits for an RCU grace
// period, some ten milliseconds; those that follow soon don't (rcu_sync_enter in
// kernel/rcu/sync.c; cgroup_threadgroup_rwsem). So this process is put into the
// cgroup that it is in already, while there is other work to do for the container
// whose process libcontainer is going to move. On a host where cgroups are mounted
// with favordynmods there is nothing to wait for.
//
// The returned function says that this is no longer needed.
func primeCgroupLock() (stop func()) {
	done := make(chan struct{})
	go func() {
		for range primes {
			rejoinOwnCgroup()
			select {
			case <-done:
				return
			case <-time.After(primeAgain):
			}
		}
	}()
	return func() { close(done) }
}

// priming tells that [PrimeCgroups] is at work: who comes meanwhile has what he wants.
var priming atomic.Bool

// PrimeCgroups does so once, for a create or exec that is still to come, and does not
// wait.
func PrimeCgroups() {
	if !priming.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer priming.Store(false)
		rejoinOwnCgroup()
	}()
}

// rejoinOwnCgroup changes nothing. That it fails doesn't matter: the lock has been
// taken by then, or it is no faster than it was.
func rejoinOwnCgroup() {
	own, err := cgroups.ParseCgroupFile("/proc/self/cgroup")
	if err != nil {
		return
	}
	for _, h := range []struct{ controller, root string }{
		{"", "/sys/fs/cgroup"}, {"", "/sys/fs/cgroup/unified"}, {"devices", "/sys/fs/cgroup/devices"},
	} {
		path, in := own[h.controller]
		if !in {
			continue
		}
		f, err := os.OpenFile(filepath.Join(h.root, path, "cgroup.procs"), os.O_WRONLY, 0)
		if err != nil {
			continue
		}
		_, _ = f.WriteString("0")
		_ = f.Close()
		return
	}
}
