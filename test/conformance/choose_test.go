package main

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestChoose looks at the suite itself, as its modules pin it: a file renamed
// upstream must not make its tests drop out unseen.
func TestChoose(t *testing.T) {
	dir, err := builder{suite: "suite", log: os.Stderr}.suiteDir(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := choose(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range suiteFiles {
		names, err := testsIn(dir + "/" + f)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if !slices.Contains(all, n) {
				t.Errorf("%s of %s is not chosen", n, f)
			}
		}
	}
	for _, n := range injected {
		if !slices.Contains(all, n) {
			t.Errorf("%s, which has failures injected, is not in the suite", n)
		}
	}
	some, err := choose(dir, "^TestContainerE")
	if err != nil || !slices.Contains(some, "TestContainerExec") || slices.Contains(some, "TestNewContainer") {
		t.Errorf("chosen by pattern: %v, %v", some, err)
	}
	if _, err := choose(dir, "^NoSuchTest"); err == nil {
		t.Error("a pattern without a test was taken")
	}
}

// TestOneContainerd: the suite must be that of the containerd it tests.
func TestOneContainerd(t *testing.T) {
	pin := regexp.MustCompile(`github\.com/containerd/containerd/v2 (v\S+)`)
	version := func(path string) string {
		mod, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m := pin.FindSubmatch(mod)
		if m == nil {
			t.Fatalf("%s pins no containerd", path)
		}
		return string(m[1])
	}
	if s, p := version("suite/go.mod"), version("../tools/go.mod"); s != p {
		t.Errorf("the suite is of containerd %s, the programs are of %s", s, p)
	}
}
