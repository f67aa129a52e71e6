package rootfs

import (
	"sync"
	"sync/atomic"
)

// pool keeps one value per key for as long as anyone uses it.
type pool[K comparable, V any] struct {
	// free disposes of a value that nobody uses any more; called without mu.
	free func(V)

	mu    sync.Mutex
	items map[K]*pooled[V] // guarded by mu
}

type pooled[V any] struct {
	make  sync.Once
	value V     // written once, by make
	err   error // written once, by make
	users int   // guarded by the pool's mu
}

// lease is one user's share of a pooled value. Only its Release must be called,
// once is enough.
type lease[K comparable, V any] struct {
	value    V
	pool     *pool[K, V]
	key      K
	item     *pooled[V]
	released atomic.Bool
}

func newPool[K comparable, V any](free func(V)) *pool[K, V] {
	return &pool[K, V]{free: free, items: make(map[K]*pooled[V])}
}

// acquire gives a share of the key's value, which make makes for the first user
// while later ones wait. The lock is not held over make. An error is every
// waiting user's, and is not kept.
func (p *pool[K, V]) acquire(key K, make func() (V, error)) (*lease[K, V], error) {
	p.mu.Lock()
	item := p.items[key]
	if item == nil {
		item = &pooled[V]{}
		p.items[key] = item
	}
	item.users++
	p.mu.Unlock()

	item.make.Do(func() { item.value, item.err = make() })
	if item.err != nil {
		p.release(key, item)
		return nil, item.err
	}
	return &lease[K, V]{value: item.value, pool: p, key: key, item: item}, nil
}

func (p *pool[K, V]) release(key K, item *pooled[V]) {
	p.mu.Lock()
	item.users--
	last := item.users == 0
	// A failed value is no use to anyone who comes later.
	if (last || item.err != nil) && p.items[key] == item {
		delete(p.items, key)
	}
	p.mu.Unlock()
	if last && item.err == nil {
		p.free(item.value)
	}
}

// Release gives the share back.
func (l *lease[K, V]) Release() {
	if l.released.CompareAndSwap(false, true) {
		l.pool.release(l.key, l.item)
	}
}

// count tells how many values there are, and how many users they have together.
func (p *pool[K, V]) count() (values, users int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, item := range p.items {
		users += item.users
	}
	return len(p.items), users
}
