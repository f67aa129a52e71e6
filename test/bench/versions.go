package main

import (
	"context"
	"os/exec"
	"strings"

	"tango/test/sides"
)

// versionsOn returns what was compared on somebody else's containerd.
func (b *bench) versionsOn(ctx context.Context) ([][]string, error) {
	v, err := b.node.Client().Version(ctx)
	if err != nil {
		return nil, err
	}
	against := b.theirs.against
	if b.theirs.binary != "" {
		against += " with " + b.theirs.binary
	}
	return [][]string{{"containerd", v.Version}, {sides.Tango.String(), b.theirs.runtime}, {sides.Stock.String(), against}}, nil
}

// versions returns what the programs say of themselves: name and version.
func (b *bench) versions() [][]string {
	var found [][]string
	add := func(name, path, flag string) {
		version := "unknown"
		if out, err := exec.Command(path, flag).Output(); err == nil {
			version = strings.TrimLeft(strings.TrimPrefix(strings.Join(strings.Fields(string(out)), " "), name), ": ")
		}
		found = append(found, []string{name, version})
	}
	for _, c := range [][]string{
		{sides.Tango.Shim(), "-v"}, {sides.Stock.Shim(), "-v"}, {"runc", "--version"}, {"containerd", "--version"},
	} {
		if path, err := b.node.Tool(c[0]); err == nil {
			add(c[0], path, c[1])
		}
	}
	if b.crunPath != "" {
		add("crun", b.crunPath, "--version")
	}
	return found
}
