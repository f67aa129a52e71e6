package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The suite's -test.timeout of a run of many tests, and of one. Upstream's tests
// take about three minutes together, the longest of them two, on two busy cores.
const (
	suiteTimeout = 15 * time.Minute
	testTimeout  = 4 * time.Minute
)

// runner runs the chosen tests with one runtime and collects the results.
type runner struct {
	sandbox // Work and Args are set for each run

	name      string // in the table and in the names of logs
	work, out string
	tests     []string
	parallel  int
	test2json string

	runs      int
	results   results
	runcCalls []string
	took      time.Duration
}

// as is a runner of the same kind for a runtime whose programs are in bin.
func (r runner) as(name, runtime, bin string) *runner {
	r.name, r.Runtime, r.Bin = name, runtime, filepath.Join(r.work, bin)
	return &r
}

// runAll runs all tests once and then those that fail, each alone.
func (r *runner) runAll(ctx context.Context) error {
	start := time.Now()
	r.results = results{}
	if len(r.tests) == 0 {
		return nil
	}
	fmt.Printf("%s: %d tests\n", r.name, len(r.tests))
	if err := r.runTogether(ctx); err != nil {
		return err
	}
	for _, t := range r.results.with("FAIL", r.tests) {
		if err := r.again(ctx, t); err != nil {
			return err
		}
	}
	r.took = time.Since(start)
	return nil
}

// absorb takes over what another runner has found out about other tests.
func (r *runner) absorb(other *runner) {
	maps.Copy(r.results, other.results)
	r.runcCalls = append(r.runcCalls, other.runcCalls...)
	r.took += other.took
}

// runTogether runs the tests in one process. A crash or a test that hangs takes
// the tests behind it along; those get a second go.
func (r *runner) runTogether(ctx context.Context) error {
	if err := r.runOnce(ctx, r.tests, "all", suiteTimeout); err != nil {
		return err
	}
	rest := r.results.with("-", r.tests)
	if len(rest) == 0 {
		return nil
	}
	fmt.Printf("%s: %d tests did not begin; again\n", r.name, len(rest))
	return r.runOnce(ctx, rest, "rest", suiteTimeout)
}

// again runs a failed test alone until it passes or failed too often.
func (r *runner) again(ctx context.Context, test string) error {
	for i := 1; i <= maxReruns && r.results[test].verdict() == "FAIL"; i++ {
		fmt.Printf("%s: %s failed; again alone (%d)\n", r.name, test, i)
		if err := r.runOnce(ctx, []string{test}, test+"-"+strconv.Itoa(i), testTimeout); err != nil {
			return err
		}
	}
	return nil
}

// runOnce runs these tests in a new sandbox; logs are named for label.
func (r *runner) runOnce(ctx context.Context, tests []string, label string, timeout time.Duration) error {
	r.runs++
	s := r.sandbox
	s.Work = filepath.Join(r.work, fmt.Sprintf("%s-%s-%d", filepath.Base(r.work), r.name, r.runs))
	if err := os.Mkdir(s.Work, 0o711); err != nil {
		return err
	}
	s.Args = []string{
		"-test.root",
		"-test.v=test2json",
		"-test.run=^(" + strings.Join(tests, "|") + ")$",
		"-test.parallel=" + strconv.Itoa(r.parallel),
		"-test.timeout=" + timeout.String(),
	}
	log := filepath.Join(r.out, r.name+"-"+label)
	if err := r.collect(ctx, s, log); err != nil {
		return fmt.Errorf("%w (see %s.*)", err, log)
	}
	calls, err := runcCalls(s.Work)
	r.runcCalls = append(r.runcCalls, calls...)
	if err != nil {
		return err
	}
	return os.RemoveAll(s.Work)
}

// collect runs the sandbox, saves the suite's output as log.out, its errors
// with containerd's log as log.err, and adds to the results.
func (r *runner) collect(ctx context.Context, s sandbox, log string) error {
	out, err := os.Create(log + ".out")
	if err != nil {
		return err
	}
	defer out.Close()
	errs, err := os.Create(log + ".err")
	if err != nil {
		return err
	}
	defer errs.Close()

	status, err := s.run(ctx, out, errs)
	if err != nil {
		return err
	}
	before := r.results.tries()
	if err := r.parse(ctx, log+".out"); err != nil {
		return err
	}
	if r.results.tries() == before {
		return fmt.Errorf("the suite ended with status %d before its first test", status)
	}
	return nil
}

// parse reads a saved output of the suite through test2json.
func (r *runner) parse(ctx context.Context, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	cmd := exec.CommandContext(ctx, r.test2json)
	cmd.Stdin, cmd.Stderr = in, os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := r.results.readResults(events)
	if readErr != nil {
		io.Copy(io.Discard, events) //nolint:errcheck // only lets the tool end
	}
	return errors.Join(readErr, cmd.Wait())
}
