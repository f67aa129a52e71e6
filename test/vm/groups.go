package main

import "time"

// group is a column of the matrix: test packages that are built on the host and
// run in every guest.
type group struct {
	Name    string
	Module  string        // directory of the module, from the repository's root
	Pattern string        // its packages, for go list
	Tags    string        // build tags, as the Makefile has them
	Args    []string      // arguments of the test binaries
	Timeout time.Duration // of each package's tests, on an emulated CPU
	Short   bool          // part of the subset that every commit runs
}

// groups are all test groups; a new one is a line here. Tests find the binaries
// of the repository's bin directory in $TANGO_BIN and in $PATH, their package's
// testdata directory in the working directory, and the guest's name in
// $TANGO_GUEST. A test name's element way=NAME is counted by NAME.
var groups = []group{
	{Name: "mounts", Module: ".", Pattern: "./mounts/...", Tags: "seccomp", Timeout: 3 * time.Minute, Short: true},
	{Name: "rootfs", Module: ".", Pattern: "./rootfs/...", Tags: "seccomp", Timeout: 8 * time.Minute, Short: true},
	{Name: "shim", Module: ".", Pattern: "./shim/...", Tags: "seccomp", Timeout: 8 * time.Minute, Short: true},
	{Name: "integration", Module: "test", Pattern: "./integration/...", Timeout: 15 * time.Minute},
}

// binaries are copied from the repository's bin directory to one directory of the
// guests; those that are not built are left out.
var binaries = []string{
	"containerd-shim-tango-v2", "tango",
	"tools/containerd", "tools/ctr", "tools/containerd-shim-runc-v2", "tools/runc",
}
