package main

import (
	"os/exec"
	"strings"
)

// versions returns what the programs say of themselves: name and version.
func (b *bench) versions() [][]string {
	var found [][]string
	for _, c := range [][]string{
		{shims[tango], "-v"}, {shims[stock], "-v"}, {"runc", "--version"}, {"containerd", "--version"},
	} {
		version := "unknown"
		if program, err := b.node.Tool(c[0]); err == nil {
			if out, err := exec.Command(program, c[1]).Output(); err == nil {
				version = strings.TrimLeft(strings.TrimPrefix(strings.Join(strings.Fields(string(out)), " "), c[0]), ": ")
			}
		}
		found = append(found, []string{c[0], version})
	}
	return found
}
