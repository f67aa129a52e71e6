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
// flaky. The exit status is 1 if a test that passes with the stock runtime
// fails with tango (exempt.go names the tests whose premise is a runc
// process), or if tango's shim started runc; 2 if the runs could not be made.
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
	run, shim, ref, tools, suite, out, busybox, criu string
	parallel                                         int
	keep, list, verbose                              bool
}

func parseFlags() options {
	var o options
	flag.StringVar(&o.run, "run", "", "run the top-level tests that match this regular expression (default: those that concern a shim)")
	flag.StringVar(&o.shim, "shim", "../bin/"+testedShim, "the shim to test")
	flag.StringVar(&o.ref, "ref", "../bin/tools", "directory with containerd, containerd-shim-runc-v2 and runc; what is not there is built")
	flag.StringVar(&o.tools, "tools", "tools", "directory of the module that pins containerd and runc")
	flag.StringVar(&o.suite, "suite", "conformance/suite", "directory of the module that pins the suite")
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
	b := builder{tools: o.tools, suite: o.suite, log: log}
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
	reference, ours, err := o.runtimes(ctx, b, work, suiteDir, tests)
	if err != nil {
		return false, err
	}
	return report(ctx, o, tests, reference, ours)
}

func (o options) discard(work string) error {
	if o.keep {
		fmt.Println("kept:", work)
		return nil
	}
	return os.RemoveAll(work)
}

// runtimes builds all programs and says how each runtime's tests are run.
func (o options) runtimes(ctx context.Context, b builder, work, suiteDir string, tests []string) (reference, ours *runner, err error) {
	fmt.Println("building the suite and the programs that it runs")
	if _, err := os.Stat(o.shim); err != nil {
		return nil, nil, fmt.Errorf("cannot find the shim to test: %w", err)
	}
	stock, tested := filepath.Join(work, "bin-stock"), filepath.Join(work, "bin-tested")
	if err := b.stock(ctx, stock, o.ref); err != nil {
		return nil, nil, err
	}
	if err := b.tested(tested, stock, o.shim, testedShim); err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return nil, nil, err
	}
	printMissing(os.Stdout)
	criu, err := o.criuDir(ctx, b)
	if err != nil {
		return nil, nil, err
	}
	base := runner{
		sandbox:  sandbox{Criu: criu, SuiteDir: suiteDir, Busybox: o.busybox},
		work:     work,
		out:      o.out,
		tests:    tests,
		parallel: o.parallel,
	}
	test2json, err := exec.CommandContext(ctx, "go", "tool", "-n", "test2json").Output()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot find test2json: %w", err)
	}
	base.test2json = strings.TrimSpace(string(test2json))
	first, second := base, base
	first.name, first.Runtime, first.Bin = "runc.v2", referenceType, stock
	second.name, second.Runtime, second.Bin = "tango.v2", testedType, tested
	second.tests, second.apart = splitExempt(tests)
	return &first, &second, nil
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

// report runs the tests with both runtimes and prints what came out.
func report(ctx context.Context, o options, tests []string, reference, ours *runner) (worse bool, err error) {
	for _, r := range []*runner{reference, ours} {
		if err := r.runAll(ctx); err != nil {
			return false, err
		}
	}
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
	bad := 0
	for _, r := range rows {
		if r.difference == "exempt" && !strings.Contains(r.test, "/") {
			fmt.Fprintf(w, "exempt: %s: %s\n", r.test, exempt(r.test))
		}
		if r.bad {
			bad++
		}
	}
	fmt.Fprintf(w, "tests that pass with the stock runtime and not with tango: %d\n", bad)
	if n := len(ours.runcCalls); n > 0 {
		fmt.Fprintf(w, "runc processes started under tango: %d, first: %s\n", n, ours.runcCalls[0])
		return true
	}
	fmt.Fprintln(w, "runc processes started under tango: 0")
	return bad > 0
}
