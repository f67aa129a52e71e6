package main

import "time"

// group is a column of the matrix: test packages that are built on the host and
// run in every guest.
type group struct {
	Name    string
	Module  string        // directory of the module, from the repository's root
	Pattern string        // its packages, for go list
	Args    []string      // arguments of the test binaries
	Timeout time.Duration // of each package's tests, on an emulated CPU
	Short   bool          // part of the subset that every commit runs
}

// groups are all test groups; a new one is a line here. Tests find the binaries
// of the repository's bin directory in $TANGO_BIN and in $PATH, their package's
// testdata directory in the working directory, and the guest's name in
// $TANGO_GUEST. A test name's element way=NAME is counted by NAME.
var groups = []group{
	{Name: "mounts", Module: ".", Pattern: "./mounts/...", Timeout: 3 * time.Minute, Short: true},
	{Name: "rootfs", Module: ".", Pattern: "./rootfs/...", Timeout: 4 * time.Minute, Short: true},
	{Name: "shim", Module: ".", Pattern: "./shim/...", Timeout: 4 * time.Minute, Short: true},
	{Name: "integration", Module: "test", Pattern: "./integration/...", Timeout: 8 * time.Minute, Args: []string{"-test.short"}},
}

// binaries are copied from the repository's bin directory to the guests, where
// they are in one directory; those that are not built are left out.
var binaries = []string{"bin", "bin/tools"}
