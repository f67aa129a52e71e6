package remote

import (
	"sync"
	"time"

	"tango/rootfs"
)

// kept holds what was built until it is old: not its mounts, which were handed
// over, but its part of what containers share.
type kept struct {
	age  time.Duration
	most int

	mu    sync.Mutex // guards the following
	items []item     // oldest first
	timer *time.Timer
}

type item struct {
	root  *rootfs.Rootfs
	until time.Time
}

func newKept(age time.Duration, most int) *kept {
	k := &kept{age: age, most: most}
	k.timer = time.AfterFunc(age, k.expire)
	k.timer.Stop()
	return k
}

// add keeps one more, and drops the oldest if there are too many.
func (k *kept) add(root *rootfs.Rootfs) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.items = append(k.items, item{root: root, until: time.Now().Add(k.age)})
	if len(k.items) == 1 {
		k.timer.Reset(k.age)
	}
	if len(k.items) > k.most {
		k.drop(1)
	}
}

// expire drops what is old.
func (k *kept) expire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	old := 0
	for old < len(k.items) && !k.items[old].until.After(now) {
		old++
	}
	k.drop(old)
	if len(k.items) > 0 {
		k.timer.Reset(time.Until(k.items[0].until))
	}
}

// drop drops the n oldest; the freeing is done elsewhere. Called with mu held.
func (k *kept) drop(n int) {
	for i := range n {
		k.items[i].root.Close()
		k.items[i].root = nil
	}
	k.items = k.items[n:]
}

func (k *kept) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.items)
}

func (k *kept) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer.Stop()
	k.drop(len(k.items))
}
