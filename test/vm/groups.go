package main

import (
	"strings"
	"time"
)

// group is a column of the matrix: test packages that are built on the host and
// run in every guest.
type group struct {
	Name    string
	Module  string        // directory of the module, from the repository's root
	Pattern string        // its packages, for go list
	Tags    string        // build tags
	Args    []string      // arguments of the test binaries
	Timeout time.Duration // of each package's tests, on an emulated CPU
	Short   bool          // part of the subset that every commit runs
}

// tags are the Makefile's TAGS.
const tags = "seccomp no_grpc netgo osusergo"

// testLimit is how long one package's tests may take. An emulated CPU on a busy
// host is slow without limit, and a guest in which nothing happens is ended much
// earlier: this only ends tests that go on forever.
const testLimit = 45 * time.Minute

// only is the argument that has a test binary run these tests alone.
func only(tests []string) string { return "-test.run=^(" + strings.Join(tests, "|") + ")$" }

// groups are all test groups; a new one is a line here. Tests find the binaries
// of the repository's bin directory in $TANGO_BIN and in $PATH, their package's
// testdata directory in the working directory, and the guest's name in
// $TANGO_GUEST. A test name's element way=NAME is counted by NAME.
var groups = []group{
	{Name: "mounts", Module: ".", Pattern: "./mounts/...", Tags: tags, Timeout: testLimit, Short: true},
	{Name: "rootfs", Module: ".", Pattern: "./rootfs/...", Tags: tags, Timeout: testLimit, Short: true},
	{Name: "shim", Module: ".", Pattern: "./shim/...", Tags: tags, Timeout: testLimit},
	{Name: "integration", Module: "test", Pattern: "./integration/...", Timeout: testLimit, Short: true},
	{Name: "mountcost", Module: "test", Pattern: "./mountcost", Timeout: testLimit},
}

// binaries are copied from the repository's bin directory to one directory of the
// guests; those that are not built are left out.
var binaries = []string{
	"containerd-shim-tango-v2", "tango",
	"tools/containerd", "tools/ctr", "tools/containerd-shim-runc-v2", "tools/runc",
}
