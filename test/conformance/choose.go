package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// suiteFiles are the files of the suite whose tests concern a shim. The other
// files test images, content, leases, snapshots and transfers, in which no
// runtime has a part.
var suiteFiles = []string{
	"client_unix_test.go",
	"container_test.go",
	"container_linux_test.go",
	"container_checkpoint_test.go",
	"container_idmapped_linux_test.go",
	"daemon_config_linux_test.go",
	"mount_manager_linux_test.go",
	"restart_monitor_test.go",
}

// suiteTests are single tests that concern a shim in files that otherwise don't.
var suiteTests = []string{"TestRuntimeInfo"}

// choose returns the names of the top-level tests to run, in the suite's
// order: those that match, or with an empty pattern those that concern a shim.
func choose(suiteDir, pattern string) ([]string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("cannot use -run: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(suiteDir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	var tests []string
	for _, path := range files {
		base := filepath.Base(path)
		names, err := testsIn(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read the suite: %w", err)
		}
		for _, name := range names {
			concerns := slices.Contains(suiteFiles, base) || slices.Contains(suiteTests, name)
			if pattern == "" && concerns || pattern != "" && re.MatchString(name) {
				tests = append(tests, name)
			}
		}
	}
	if len(tests) == 0 {
		return nil, fmt.Errorf("no test of %s matches %q", suiteDir, pattern)
	}
	return tests, nil
}

// testsIn returns the test functions of a Go file; build constraints are not
// looked at, a test that the build leaves out just has no result.
func testsIn(path string) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") && fn.Name.Name != "TestMain" {
			names = append(names, fn.Name.Name)
		}
	}
	return names, nil
}
