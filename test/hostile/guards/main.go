// Command guards shows that the tests of hostile images catch what they are there
// for: it builds shims in which one guard of libcontainer each is taken out, runs the
// tests that belong to it with that shim, and wants them to fail; and to pass with
// none taken out.
//
//	go run ./hostile/guards [-only TEXT]
//
// Do not install such a shim: each lets images out of their containers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tango/test/program"
)

var only = flag.String("only", "", "take out only guards whose names contain this")

func main() {
	flag.Parse()
	program.Main("guards", run)
}

func run(ctx context.Context) (retErr error) {
	work, err := os.MkdirTemp("", "tango-guards-")
	if err != nil {
		return err
	}
	defer func() { retErr = errors.Join(retErr, os.RemoveAll(work)) }()
	var errs []error
	for i, g := range guards {
		if !strings.Contains(g.name, *only) {
			continue
		}
		bin := filepath.Join(work, fmt.Sprint(i))
		if err := g.build(ctx, bin); err != nil {
			return err
		}
		errs = append(errs, g.judge(g.failed(ctx, bin)))
	}
	return errors.Join(errs...)
}

// failed returns which tests fail with the shim in bin.
func (g guard) failed(ctx context.Context, bin string) (tests []string, output string) {
	test := exec.CommandContext(ctx, "go", "test", "-count=1", "-short", "-v", "-run", g.tests, "./hostile")
	test.Env = append(os.Environ(), "TANGO_BIN="+bin, "TANGO_TEST_RUNTIME=tango")
	out, err := test.CombinedOutput()
	for _, line := range strings.Split(string(out), "\n") {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); ok && strings.HasSuffix(name, "s)") {
			tests = append(tests, strings.Fields(name)[0])
		}
	}
	if err != nil && len(tests) == 0 {
		tests = []string{"something else than a test: " + err.Error()}
	}
	return tests, string(out)
}

// judge wants failures if there is something to be caught, and else none.
func (g guard) judge(failed []string, output string) error {
	caught := len(failed) > 0 && !strings.HasPrefix(failed[0], "something else")
	switch {
	case g.changes == nil && len(failed) > 0:
		return fmt.Errorf("with every guard in place: %q\n%s", failed, output)
	case g.changes == nil:
		fmt.Println("with every guard in place: all pass")
	case !caught:
		return fmt.Errorf("without %q (%s) nothing is noticed by %s: %q\n%s", g.name, g.class, g.tests, failed, output)
	default:
		fmt.Printf("without %q (%s): %s\n", g.name, g.class, strings.Join(failed, ", "))
	}
	return nil
}
