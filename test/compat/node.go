package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tango/test/harness"
)

// isolation executes containerd where /run is a directory of ours. Before 2.3 the
// place of the shims' sockets is fixed, /run/containerd/s; one that the machine's
// own containerd uses must not be touched. exec keeps the process id.
const isolation = `#!/bin/sh
exec unshare --mount --propagation slave sh -c 'mount --bind %q /run && exec "$@"' sh %q "$@"
`

// start boots a containerd of a version.
func start(ctx context.Context, v version, runtime, dir string) (*harness.Node, error) {
	program, err := v.binary(ctx)
	if err != nil {
		return nil, err
	}
	script, run := filepath.Join(dir, "containerd"), filepath.Join(dir, "run")
	if err := os.Mkdir(run, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(script, fmt.Appendf(nil, isolation, run, program), 0o700); err != nil {
		return nil, err
	}
	return harness.Start(ctx, harness.Options{Runtime: runtime, Containerd: script, ConfigVersion: v.config})
}

// test makes every check with one version.
func test(ctx context.Context, v version, runtime string) row {
	r := row{version: v.name, results: make(map[string]error)}
	dir, err := os.MkdirTemp("", "tango-compat-")
	if err != nil {
		r.built = err
		return r
	}
	defer os.RemoveAll(dir)
	n, err := start(ctx, v, runtime, dir)
	if err != nil {
		r.built = err
		return r
	}
	for _, c := range checks {
		r.results[c.name] = check(ctx, n, c)
	}
	if err := n.Close(); err != nil {
		last := checks[len(checks)-1].name
		r.results[last] = errors.Join(r.results[last], err)
	}
	return r
}

// check makes one check, after which nothing may be left.
func check(ctx context.Context, n *harness.Node, c checkOf) error {
	ctx, cancel := context.WithTimeout(n.Context(ctx), checkTimeout)
	defer cancel()
	err := c.run(ctx, n)
	if deleted := n.DeleteAll(ctx); deleted != nil {
		return errors.Join(err, deleted)
	}
	left, settled := n.Settle(ctx)
	if len(left) > 0 {
		settled = errors.Join(settled, fmt.Errorf("left behind: %v", left))
	}
	return errors.Join(err, settled)
}
