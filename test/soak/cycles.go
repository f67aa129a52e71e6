package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tango/test/harness"
)

// warm is how many cycles come before the first look: enough for as many as run at once
// to have met each other in all ways.
const warm = 200

// stages is how often it is looked in between and at the end.
const stages = 5

// podAnnotation puts containers of the same value into one shim.
const podAnnotation = "io.kubernetes.cri.sandbox-id"

// prefix begins the names of a soak's containers, by which their keyrings are found.
const prefix = "soak"

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
	return errors.Join(err, c.Delete(ctx))
}

// soakPod is for what one shim may gather.
func soakPod(ctx context.Context, n *harness.Node, s settings) error {
	pod := map[string]string{podAnnotation: "pod"}
	sandbox, err := n.Run(ctx, harness.Spec{ID: prefix + "-pod", Annotations: pod})
	if err != nil {
		return err
	}
	shims, err := n.Shims()
	if err != nil || len(shims) != 1 {
		return fmt.Errorf("%d shims, want 1: %w", len(shims), err)
	}
	shim := subject{name: "shim", pid: shims[0].PID, tells: true}
	err = soak(ctx, n, s, s.cycles, shim, func(i int) error {
		return cycle(ctx, n, harness.Spec{ID: fmt.Sprintf("%s-p%d", prefix, i), Annotations: pod})
	})
	return errors.Join(err, sandbox.Delete(ctx))
}

// soakShims is for what shims leave to others. The container that stays keeps the host
// service.
func soakShims(ctx context.Context, n *harness.Node, s settings) error {
	resident, err := n.Run(ctx, harness.Spec{ID: prefix + "-resident"})
	if err != nil {
		return err
	}
	shims, err := n.Shims()
	if err != nil || len(shims) == 0 {
		return fmt.Errorf("no shims: %w", err)
	}
	shim := subject{name: "idle shim", pid: shims[0].PID, tells: true}
	err = soak(ctx, n, s, s.shims, shim, func(i int) error {
		return cycle(ctx, n, harness.Spec{ID: fmt.Sprintf("%s-s%d", prefix, i)})
	})
	return errors.Join(err, resident.Delete(ctx))
}

// soak repeats something, and compares what the shim, the host service and containerd
// hold then with what they held when they had warmed up.
func soak(ctx context.Context, n *harness.Node, s settings, cycles int, shim subject, once func(i int) error) error {
	if err := repeat(ctx, 0, warm, s.atOnce, once); err != nil {
		return err
	}
	everybody, err := subjects(n, shim)
	if err != nil {
		return err
	}
	first, err := everybody.look(ctx, n)
	if err != nil {
		return err
	}
	fmt.Printf("  after %d cycles:\n%v", warm, first)
	for stage := range stages {
		from, to := warm+cycles*stage/stages, warm+cycles*(stage+1)/stages
		began := time.Now()
		if err := repeat(ctx, from, to, s.atOnce, once); err != nil {
			return err
		}
		last, err := everybody.settle(ctx, n, first)
		fmt.Printf("  after %d cycles, %v for the last %d:\n%v", to, time.Since(began).Round(time.Second), to-from, last)
		if err != nil {
			return err
		}
	}
	return nil
}

// repeat runs once for the numbers from, up to and without to, some at a time, and
// stops at the first error.
func repeat(ctx context.Context, from, to, atOnce int, once func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	_ = together(to-from, atOnce, func(i int) error {
		if ctx.Err() != nil {
			return nil
		}
		if err := once(from + i); err != nil {
			cancel(fmt.Errorf("cycle %d: %w", from+i, err))
		}
		return nil
	})
	return context.Cause(ctx)
}
