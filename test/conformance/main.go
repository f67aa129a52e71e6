// Command conformance runs the container, task, exec, IO, checkpoint, restart
// and shim tests of containerd's own client integration suite, once with the
// stock runtime and once with tango, and prints where they differ.
//
//	go run ./conformance [-run regexp] [-v] ...
//
// The suite is built from the module cache. Each run has namespaces, a
// containerd and directories of its own, and a registry on its own loopback
// interface that serves stand-ins for the images that the suite pulls; nothing
// outside is touched, nothing is left. It needs root.
//
// A test that fails is run again alone, up to twice: one that then passes is
// flaky. Tests that inject failures in runc's place (injected.go) run on a build
// of tango's shim that has the same failures injected at its fault points; all
// others run on the shim as it is. The exit status is 1 if a test that passes
// with the stock runtime fails with tango, or if tango's shim started runc; 2 if
// the runs could not be made.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	referenceType = "io.containerd.runc.v2"
	testedType    = "io.containerd.tango.v2"
	testedShim    = "containerd-shim-tango-v2"

	// Upstream runs its suite with this many tests at once on four cores.
	defaultParallel = 8
	maxReruns       = 2
)

// options are the command's flags; paths are relative to the test module.
type options struct {
	run, shim, ref, tools, suite, source, out, busybox, criu string
	parallel                                                 int
	keep, list, verbose                                      bool
}

func parseFlags() options {
	var o options
	flag.StringVar(&o.run, "run", "", "run the top-level tests that match this regular expression (default: those that concern a shim)")
	flag.StringVar(&o.shim, "shim", "../bin/"+testedShim, "the shim to test")
	flag.StringVar(&o.ref, "ref", "../bin/tools", "directory with containerd, containerd-shim-runc-v2 and runc; what is not there is built")
	flag.StringVar(&o.tools, "tools", "tools", "directory of the module that pins containerd and runc")
	flag.StringVar(&o.suite, "suite", "conformance/suite", "directory of the module that pins the suite")
	flag.StringVar(&o.source, "source", "..", "directory of tango's module, of which the shim with fault points is built")
	flag.StringVar(&o.out, "out", "../.cache/conformance", "directory for the logs")
	flag.StringVar(&o.busybox, "busybox", "/bin/busybox", "a static busybox, for the images")
	flag.StringVar(&o.criu, "criu", "auto", "directory with a criu to use; \"system\" for the installed one; \"auto\" gets a newer one, beside the shim, if that doesn't work on this kernel")
	flag.IntVar(&o.parallel, "parallel", defaultParallel, "number of tests at once")
	flag.BoolVar(&o.keep, "keep", false, "keep the work directory")
	flag.BoolVar(&o.list, "list", false, "print the chosen tests and end")
	flag.BoolVar(&o.verbose, "v", false, "print the output of the builds")
	flag.Parse()
	return o
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == sandboxVerb {
		os.Exit(sandboxMain())
	}
	if point := filepath.Base(os.Args[0]); failpoints[point] != nil {
		os.Exit(failpointMain(point, os.Args[1:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	worse, err := conform(ctx, parseFlags())
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	case worse:
		os.Exit(1)
	}
}

// conform does the whole job; worse tells that tango does not keep up.
func conform(ctx context.Context, o options) (worse bool, retErr error) {
	if os.Geteuid() != 0 {
		return false, errors.New("this needs root")
	}
	log := io.Discard
	if o.verbose {
		log = os.Stderr
	}
	b := builder{tools: o.tools, suite: o.suite, source: o.source, log: log}
	suiteDir, err := b.suiteDir(ctx)
	if err != nil {
		return false, err
	}
	tests, err := choose(suiteDir, o.run)
	if err != nil || o.list {
		fmt.Println(strings.Join(tests, "\n"))
		return false, err
	}
	work, err := os.MkdirTemp("", "tango-conformance-")
	if err != nil {
		return false, err
	}
	defer func() { retErr = errors.Join(retErr, o.discard(work)) }()
	base, err := o.runner(ctx, b, work, suiteDir)
	if err != nil {
		return false, err
	}
	reference, ours, err := o.runAll(ctx, b, base, tests)
	if err != nil {
		return false, err
	}
	return report(o, tests, reference, ours)
}

func (o options) discard(work string) error {
	if o.keep {
		fmt.Println("kept:", work)
		return nil
	}
	return os.RemoveAll(work)
}

// runner is what the runs have in common.
func (o options) runner(ctx context.Context, b builder, work, suiteDir string) (runner, error) {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return runner{}, err
	}
	printMissing(os.Stdout)
	criu, err := o.criuDir(ctx, b)
	if err != nil {
		return runner{}, err
	}
	test2json, err := exec.CommandContext(ctx, "go", "tool", "-n", "test2json").Output()
	if err != nil {
		return runner{}, fmt.Errorf("cannot find test2json: %w", err)
	}
	return runner{
		sandbox:   sandbox{Criu: criu, SuiteDir: suiteDir, Busybox: o.busybox},
		work:      work,
		out:       o.out,
		parallel:  o.parallel,
		test2json: strings.TrimSpace(string(test2json)),
	}, nil
}

// runAll builds all programs and runs the tests with both runtimes.
func (o options) runAll(ctx context.Context, b builder, base runner, tests []string) (reference, ours *runner, err error) {
	stock := base.as("runc.v2", referenceType, "bin-stock")
	tested := base.as("tango.v2", testedType, "bin-tested")
	injecting := base.as("tango.v2-faults", testedType, "bin-faults")
	stock.tests = tests
	tested.tests, injecting.tests = splitInjected(tests)
	if err := o.build(ctx, b, stock, tested, injecting); err != nil {
		return nil, nil, err
	}
	for _, r := range []*runner{stock, tested, injecting} {
		if err := r.runAll(ctx); err != nil {
			return nil, nil, err
		}
	}
	tested.absorb(injecting)
	return stock, tested, nil
}

// build builds the runners' programs.
func (o options) build(ctx context.Context, b builder, stock, tested, injecting *runner) error {
	fmt.Println("building the suite and the programs that it runs")
	if _, err := os.Stat(o.shim); err != nil {
		return fmt.Errorf("cannot find the shim to test: %w", err)
	}
	if err := b.stock(ctx, stock.Bin, o.ref); err != nil {
		return err
	}
	if err := b.tested(tested.Bin, stock.Bin, o.shim, testedShim); err != nil {
		return err
	}
	if len(injecting.tests) == 0 {
		return nil
	}
	return b.injecting(ctx, injecting.Bin, stock.Bin, testedShim)
}

func (o options) criuDir(ctx context.Context, b builder) (string, error) {
	switch o.criu {
	case "system":
		return "", nil
	case "auto":
		dir, err := findCriu(ctx, filepath.Join(filepath.Dir(o.suite), "debian-criu"), filepath.Join(filepath.Dir(o.shim), "criu"), b.log)
		if err != nil {
			fmt.Println("the checkpoint tests can't pass:", err)
		}
		return dir, ctx.Err()
	}
	return filepath.Abs(o.criu)
}

// report prints what came out.
func report(o options, tests []string, reference, ours *runner) (worse bool, err error) {
	rows := compare(tests, reference.results, ours.results)
	table := func(w io.Writer) {
		printTable(w, rows, reference.name, ours.name)
		printReasons(w, reference.name, rows, reference.results)
		printReasons(w, ours.name, rows, ours.results)
		fmt.Fprintf(w, "\n%-8s %s, %.0f s\n", reference.name, summary(rows, func(r row) string { return r.reference }), reference.took.Seconds())
		fmt.Fprintf(w, "%-8s %s, %.0f s\n", ours.name, summary(rows, func(r row) string { return r.ours }), ours.took.Seconds())
		worse = printJudgement(w, rows, ours)
	}
	file, err := os.Create(filepath.Join(o.out, "table.txt"))
	if err != nil {
		return false, err
	}
	table(io.MultiWriter(os.Stdout, file))
	fmt.Println("logs and this table:", o.out)
	return worse, file.Close()
}

// printJudgement prints what keeps tango from conforming; worse tells whether
// there is anything.
func printJudgement(w io.Writer, rows []row, ours *runner) (worse bool) {
	bad, apart := 0, 0
	for _, r := range rows {
		if isInjected(r.test) && !strings.Contains(r.test, "/") {
			apart++
		}
		if r.bad {
			bad++
		}
	}
	if apart > 0 {
		fmt.Fprintf(w, "fault build: %d tests have the program %s in runc's place inject failures; "+
			"tango has no runc, so they ran on a build of its shim that runs %[2]s at fault points\n", apart, runcFPName)
	}
	fmt.Fprintf(w, "tests that pass with the stock runtime and not with tango: %d\n", bad)
	if n := len(ours.runcCalls); n > 0 {
		fmt.Fprintf(w, "runc processes started under tango: %d, first: %s\n", n, ours.runcCalls[0])
		return true
	}
	fmt.Fprintln(w, "runc processes started under tango: 0")
	return bad > 0
}
