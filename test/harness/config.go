package harness

import (
	"fmt"
	"strings"
)

// disabled are the plugins that would touch the machine outside the node's
// directory, or that need what most machines lack.
var disabled = []string{
	"io.containerd.image-verifier.v1.bindir",
	"io.containerd.internal.v1.opt",
	"io.containerd.internal.v1.tracing",
	"io.containerd.monitor.container.v1.restart",
	"io.containerd.nri.v1.nri",
	"io.containerd.snapshotter.v1.blockfile",
	"io.containerd.snapshotter.v1.btrfs",
	"io.containerd.snapshotter.v1.devmapper",
	"io.containerd.snapshotter.v1.zfs",
	"io.containerd.tracing.processor.v1.otlp",
}

// disabledCRI are the plugins of the Kubernetes interface.
var disabledCRI = []string{
	"io.containerd.cri.v1.images",
	"io.containerd.cri.v1.runtime",
	"io.containerd.grpc.v1.cri",
	"io.containerd.podsandbox.controller.v1.podsandbox",
}

// addresses are where containerd listens, by version of the file: 4 is containerd
// 2.4's own, 2 is what every containerd since 1.3 reads.
var addresses = map[int]string{
	2: `[grpc]
address = %q

[ttrpc]
address = %q`,
	4: `[plugins."io.containerd.server.v1.grpc"]
address = %q

[plugins."io.containerd.server.v1.ttrpc"]
address = %q

[plugins."io.containerd.shim.v1.manager"]
socket_dir = %q`,
}

// listeners renders the part of the configuration that says where sockets are.
// Before 2.3 shims' sockets are in a directory that can't be chosen.
func (n *Node) listeners(version int) string {
	args := []any{n.Address(), n.Address() + ".ttrpc", n.path("s")}
	if version == 2 {
		args = args[:2]
	}
	return fmt.Sprintf(addresses[version], args...)
}

// config renders containerd's configuration file.
func (n *Node) config() string {
	off := disabled
	if !n.options.CRI {
		off = append(append([]string{}, disabled...), disabledCRI...)
	}
	level := n.options.LogLevel
	if level == "" {
		level = "info"
	}
	version := n.options.ConfigVersion
	if version == 0 {
		version = 4
	}
	return fmt.Sprintf(`version = %d
root = %q
state = %q
temp = %q
imports = []
disabled_plugins = [%s]

[debug]
level = %q

%s

%s
%s
`, version, n.path("root"), n.path("state"), n.path("tmp"), quoteAll(off), level,
		n.listeners(version), timeouts(), n.options.Config)
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(quoted, ", ")
}
