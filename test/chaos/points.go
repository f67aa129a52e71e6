package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// point is a place in the source where something can go wrong.
type point struct {
	name   string
	errors bool // it can return an error; else it can only be late, or die
}

// errnos are the errors that a point can be made to return.
var errnos = []string{"ENOSPC", "EMFILE", "ENOMEM", "EIO"}

// What else can happen at a point.
const (
	kill = "kill"
	late = "150ms"
)

// kinds are the ways in which the point can go wrong.
func (p point) kinds() []string {
	if !p.errors {
		return []string{late, kill}
	}
	return append([]string{late, kill}, errnos...)
}

// ofShims begin the names of points that only a shim passes, and no host service.
var ofShims = []string{
	"change", "create", "delete", "events", "exec", "exit", "kill", "oom", "place", "reply", "serve", "start", "watch",
}

func (p point) ofShim() bool {
	group, _, _ := strings.Cut(p.name, ".")
	return slices.Contains(ofShims, group)
}

// sourceTree finds the tree of the module tango above the working directory.
func sourceTree() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; at != "/"; at = filepath.Dir(at) {
		mod, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module tango\n") {
			return at, nil
		}
	}
	return "", fmt.Errorf("cannot find the source tree of tango above %s", dir)
}

// findPoints reads the points from the source, so that none can be forgotten.
func findPoints() ([]point, error) {
	root, err := sourceTree()
	if err != nil {
		return nil, err
	}
	var points []point
	for _, dir := range []string{"shim", "rootfs", "mounts"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			var found []point
			switch filepath.Ext(path) {
			case ".go":
				found, err = pointsIn(path)
			case ".c":
				found, err = pointsInC(path)
			}
			points = append(points, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(points, func(a, b point) int { return strings.Compare(a.name, b.name) })
	return points, unique(points)
}

// unique wants every name once: an armed point must be one place.
func unique(points []point) error {
	if len(points) == 0 {
		return errors.New("the source has no fault points")
	}
	for i := range points[1:] {
		if points[i].name == points[i+1].name {
			return fmt.Errorf("two places are called fault point %q", points[i].name)
		}
	}
	return nil
}

// pointsIn finds calls of fault.Point and fault.Here in a file.
func pointsIn(path string) (points []point, _ error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		callee, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !isNamed(callee.X, "fault") {
			return true
		}
		if name, ok := call.Args[0].(*ast.BasicLit); ok {
			text, _ := strconv.Unquote(name.Value)
			points = append(points, point{name: text, errors: callee.Sel.Name == "Point"})
		}
		return true
	})
	return points, nil
}

// inC is a call of tango_fault (shim/prelude/fault.h).
var inC = regexp.MustCompile(`\btango_fault\(envp, "([^"]+)"\)`)

// pointsInC finds those in a file of C code, which can return no error.
func pointsInC(path string) (points []point, _ error) {
	text, err := os.ReadFile(path)
	for _, m := range inC.FindAllSubmatch(text, -1) {
		points = append(points, point{name: string(m[1])})
	}
	return points, err
}

func isNamed(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}
