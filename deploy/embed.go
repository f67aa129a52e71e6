// Package deploy holds the files that tango is installed with, as they are to be
// read and copied by people, and gives programs those that they install.
package deploy

import "embed"

// Containerd has containerd's drop-in files: containerd/tango.toml,
// containerd/tango-stock.toml and containerd/tango-control.toml.
//
//go:embed containerd/*.toml
var Containerd embed.FS

// Systemd has the units: systemd/tango-mounts.socket, systemd/tango-mounts.service and
// systemd/tango-exporter.service.
//
//go:embed systemd/*
var Systemd embed.FS
