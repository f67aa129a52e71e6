package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"tango/test/harness"
)

// subject is a process that is looked at.
type subject struct {
	name  string
	pid   int
	tells bool // its goroutines, when it is asked to
}

// crew are all that are looked at.
type crew []subject

// subjects are the shim, the host service, which only tango has, and containerd.
func subjects(n *harness.Node, shim subject) (crew, error) {
	all := crew{shim, {name: "containerd", pid: n.DaemonPID()}}
	processes, err := n.Processes()
	for _, p := range processes {
		if harness.IsHostService(p) {
			all = append(all, subject{name: "host service", pid: p.PID})
		}
	}
	return all, err
}

// state is what everybody holds, and what the node's containers have left in the kernel.
type state struct {
	crew     crew
	holds    []holds
	keyrings int
}

func (s state) String() string {
	var text strings.Builder
	for i, h := range s.holds {
		fmt.Fprintf(&text, "    %-13s %v\n", s.crew[i].name, h)
	}
	fmt.Fprintf(&text, "    %-13s %d keyrings of containers\n", "kernel", s.keyrings)
	return text.String()
}

// look reads what everybody holds now.
func (c crew) look(ctx context.Context, n *harness.Node) (state, error) {
	s := state{crew: c}
	for _, one := range c {
		h, err := look(one.pid)
		if err == nil && one.tells {
			h, err = lookShim(ctx, n, one.pid)
		}
		if err != nil {
			return s, fmt.Errorf("cannot look at the %s: %w", one.name, err)
		}
		s.holds = append(s.holds, h)
	}
	keys, err := os.ReadFile("/proc/keys")
	s.keyrings = strings.Count(string(keys), "keyring   _ses."+prefix+"-")
	return s, err
}

// settleTimeout is how long what is taken away off the caller's path may stay.
const settleTimeout = 2 * time.Minute

// settle looks until nobody holds more than at first, and returns who does after a while.
func (c crew) settle(ctx context.Context, n *harness.Node, first state) (state, error) {
	for deadline := time.Now().Add(settleTimeout); ; {
		s, err := c.look(ctx, n)
		if err != nil {
			return s, err
		}
		if err = s.grown(first); err == nil || time.Now().After(deadline) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// grown returns an error if anybody holds more than he should.
func (s state) grown(from state) error {
	var errs []error
	for i, h := range s.holds {
		if err := h.grown(from.holds[i]); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.crew[i].name, err))
		}
	}
	if s.keyrings > from.keyrings {
		errs = append(errs, fmt.Errorf("%d keyrings of containers, there were %d", s.keyrings, from.keyrings))
	}
	return errors.Join(errs...)
}
