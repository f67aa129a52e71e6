package main

import (
	"errors"
	"flag"
	"time"

	"tango/test/program"
)

// settings are what the command line can change.
type settings struct {
	containers  int           // in a burst
	concurrency int           // how many of them start at once
	layers      int           // of their image
	rounds      int           // bursts of each runtime
	callers     int           // how many callers the table shows
	after       time.Duration // how long to go on recording when the last container is gone
	all         bool          // show the callers of all locks
	plain       bool          // no user namespaces
	bystander   bool          // also open files
	every       time.Duration // time between two opens; 0: no pause
	beside      string        // program that records the same bursts
	atMost      float64       // ratio of the waits, tango/stock, above which the run fails; 0: none
	options     string        // tango's, as lines of its configuration
	json        string
}

func parseSettings(args []string) (settings, error) {
	var s settings
	fs := flag.NewFlagSet("lockwait", flag.ContinueOnError)
	fs.IntVar(&s.containers, "containers", 100, "containers in a burst")
	fs.IntVar(&s.concurrency, "concurrency", 16, "how many of them start, and later end, at once")
	fs.IntVar(&s.layers, "layers", 50, "layers of their image")
	fs.IntVar(&s.rounds, "rounds", 1, "bursts of each runtime, interleaved")
	fs.IntVar(&s.callers, "callers", 12, "how many of the callers with the longest waits to show")
	fs.DurationVar(&s.after, "after", 2*time.Second, "how long to go on recording when the last container is gone: who frees later, waits later")
	fs.BoolVar(&s.all, "all", false, "show the callers of all the kernel's locks, not those of mount locks only")
	fs.BoolVar(&s.plain, "plain", false, "without user namespaces")
	fs.BoolVar(&s.bystander, "bystander", false, "also open a file again and again, in a session of its own and in containerd's, and show how long that took")
	fs.DurationVar(&s.every, "every", time.Millisecond, "how often the bystander opens it; 0: without a pause")
	fs.StringVar(&s.beside, "beside", "", "let this `program` record, too: it is called with a command, and has to run for as long as that does, as perf record would; its output is shown")
	fs.Float64Var(&s.atMost, "at-most", 0, "fail if tango's waits are more than this `share` of the stock shim's (default: don't)")
	fs.StringVar(&s.options, "options", "", "runtime `options` of tango's, as in its configuration: 'MountWork = \"service\"'")
	fs.StringVar(&s.json, "json", "", "write what was measured to this `file`")
	if err := program.Parse(fs, args); err != nil {
		return s, err
	}
	if s.containers < 1 || s.concurrency < 1 || s.layers < 1 || s.rounds < 1 || s.callers < 0 || s.after < 0 || s.every < 0 {
		return s, errors.New("all sizes must be at least 1, -callers, -after and -every at least 0")
	}
	return s, nil
}
