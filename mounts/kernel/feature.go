package kernel

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// ErrNotSupported is matched by a probe's error when the kernel lacks the
// ability, and by nothing else: a probe that was not allowed to look, or had no
// means to, gives another error.
var ErrNotSupported = errors.New("not supported by this kernel")

// Feature is an ability of the kernel that a real call finds out. Distributions
// carry features back to older kernels, so the version is never compared.
type Feature struct {
	// Name says what is possible, in a few words.
	Name string
	// Since is the first mainline release with it, such as "6.13".
	Since string
	// Source is where that is written: a commit of the kernel.
	Source string

	probe func() error

	mu   sync.Mutex
	done bool  // under mu: the answer is known for good
	err  error // under mu: the answer
}

// Probe asks the kernel, once: nil when it has the ability, an error matching
// [ErrNotSupported] when it has not. Any other error means that this could not
// be found out, EPERM above all; such an answer is not kept, and the next call
// asks again.
func (f *Feature) Probe() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return f.err
	}
	err := f.probe()
	switch {
	case err == nil:
		f.done = true
		return nil
	case errors.Is(err, ErrNotSupported):
		f.done, f.err = true, f.missing(err)
		return f.err
	default:
		return fmt.Errorf("cannot find out about %s: %w", f.Name, err)
	}
}

// learn takes over an answer that another process got in this boot.
func (f *Feature) learn(has bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return
	}
	f.done = true
	if !has {
		f.err = f.missing(ErrNotSupported)
	}
}

func (f *Feature) missing(err error) error {
	return fmt.Errorf("%s (Linux %s): %w", f.Name, f.Since, err)
}

// String is the feature's name.
func (f *Feature) String() string { return f.Name }

// lacking says that err is the kernel's way of not knowing a feature.
func lacking(err error) error { return fmt.Errorf("%w: %w", ErrNotSupported, err) }

// verdict reads the error of a call made to fail: present if it is one that only
// a kernel with the feature gives, absent if only one without. Everything else
// decides nothing.
func verdict(err error, present, absent []error) error {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case err == nil, slices.ContainsFunc(present, is):
		return nil
	case slices.ContainsFunc(absent, is):
		return lacking(err)
	default:
		return err
	}
}
