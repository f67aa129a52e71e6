package main

import (
	"context"
	"fmt"

	"tango/test/harness"
)

// warm is how many cycles come before the first look.
const warm = 50

// podAnnotation puts containers of the same value into one shim.
const podAnnotation = "io.kubernetes.cri.sandbox-id"

// cycle is one container's life, with an exec in it.
func cycle(ctx context.Context, n *harness.Node, s harness.Spec) error {
	c, err := n.Run(ctx, s)
	if err != nil {
		return err
	}
	out, err := c.Output(ctx, "echo", "alive")
	if err == nil && out != "alive\n" {
		err = fmt.Errorf("the exec wrote %q", out)
	}
	if err != nil {
		return err
	}
	return c.Delete(ctx)
}

// soakPod is for what one shim may gather.
func soakPod(ctx context.Context, n *harness.Node, s settings) error {
	pod := map[string]string{podAnnotation: "pod"}
	sandbox, err := n.Run(ctx, harness.Spec{ID: "pod", Annotations: pod})
	if err != nil {
		return err
	}
	shims, err := n.Shims()
	if err != nil || len(shims) != 1 {
		return fmt.Errorf("%d shims, want 1: %w", len(shims), err)
	}
	pid := shims[0].PID
	err = soak(ctx, s.cycles, func() (holds, error) { return lookShim(ctx, n, pid) },
		func() error { return cycle(ctx, n, harness.Spec{Annotations: pod}) })
	if err != nil {
		return err
	}
	return sandbox.Delete(ctx)
}

// soakShims is for what shims leave to others: containerd's own process is looked
// at, which holds a connection and pipes for each of them.
func soakShims(ctx context.Context, n *harness.Node, s settings) error {
	pid := n.DaemonPID()
	return soak(ctx, s.cycles/10, func() (holds, error) { return look(pid) }, func() error { return cycle(ctx, n, harness.Spec{}) })
}

// soak repeats something and compares what a process holds.
func soak(ctx context.Context, cycles int, look func() (holds, error), once func() error) error {
	var first holds
	for i := range cycles + warm {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := once(); err != nil {
			return fmt.Errorf("cycle %d: %w", i, err)
		}
		if i == warm-1 {
			var err error
			if first, err = look(); err != nil {
				return err
			}
			fmt.Printf("  after %6d: %v\n", warm, first)
		}
	}
	last, err := look()
	if err != nil {
		return err
	}
	fmt.Printf("  after %6d: %v\n", cycles+warm, last)
	return last.grown(first)
}
