package main

import (
	"context"
	"fmt"

	"tango/mounts/kernel"
)

// way is a way to make roots. Its methods are called from many threads.
type way interface {
	// build makes a root in the slot, attached. It is called on a thread that its
	// caller will not use for anything else.
	build(ctx context.Context, s *slot) error
	// remove takes the root away, at once or later, and then calls done, from
	// any goroutine.
	remove(s *slot, done func(error))
	// close ends what the way has started, when all is removed.
	close() error
}

// ways in the order in which they are shown.
var ways = []struct {
	name, title string
	open        func(*bed) (way, error)
}{
	{"layers", "a mount per layer", newPerLayer},
	{"grouped", "layers grouped, attached", newGrouped},
	{"inplace", "layers grouped, in place", newInPlace},
	{"detached", "layers grouped, detached", newDetached},
	{"worker", "the same, by the worker", newByWorker},
}

func wayNames() []string {
	var names []string
	for _, w := range ways {
		names = append(names, w.name)
	}
	return names
}

// openWay opens a way by its name.
func openWay(name string, b *bed) (way, error) {
	for _, w := range ways {
		if w.name == name {
			return w.open(b)
		}
	}
	return nil, fmt.Errorf("cannot make roots by %q: there is no such way", name)
}

// number is the way's place in the order.
func number(name string) int {
	for i, w := range ways {
		if w.name == name {
			return i
		}
	}
	return -1
}

// needsDetachedLayers fails where the kernel cannot stack layers that are
// attached nowhere (before Linux 6.15).
func needsDetachedLayers() error {
	f, err := kernel.Detect()
	if err != nil {
		return err
	}
	if !f.OverlayDetachedLayer {
		return errCannotHere
	}
	return nil
}
