package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"tango/test/program"
)

// settings are what the command line can change.
type settings struct {
	threads program.Ints  // how many threads at once, one measurement each
	ways    nameList      // how roots are made
	layers  int           // of each root
	time    time.Duration // bound of each measurement
	count   int           // the same, in roots; 0: none
	rounds  int           // how often everything is measured
	place   place         // the processors
	dir     string        // where the layers are

	json, plots, from string
}

// nameList is a flag of ways with commas between them.
type nameList []string

func (l *nameList) String() string { return strings.Join(*l, ",") }

// Set parses "grouped,worker".
func (l *nameList) Set(text string) error {
	*l = nil
	for name := range strings.SplitSeq(text, ",") {
		if !slices.Contains(wayNames(), name) {
			return fmt.Errorf("cannot use %q: there are %s", name, strings.Join(wayNames(), ", "))
		}
		*l = append(*l, name)
	}
	return nil
}

// Limits of the sizes: more threads or layers than these tell nothing more, or
// the kernel refuses them.
const (
	maxThreads = 1024
	maxLayers  = 500 // OVL_MAX_STACK, fs/overlayfs/params.c
)

func parseSettings(args []string) (settings, error) {
	s := settings{threads: program.Ints{1, 2, 4, 8, 16, 32, 64}, ways: wayNames()}
	fs := flag.NewFlagSet("mountbench", flag.ContinueOnError)
	fs.Var(&s.threads, "threads", "numbers of threads")
	fs.Var(&s.ways, "ways", "ways to make a root, of: "+strings.Join(wayNames(), ", "))
	fs.IntVar(&s.layers, "layers", 50, "layers of each root")
	fs.DurationVar(&s.time, "time", time.Second, "end each measurement after this time")
	fs.IntVar(&s.count, "count", 0, "end each measurement after this many roots, too (default: no such bound)")
	fs.IntVar(&s.rounds, "rounds", 3, "measure everything so often, interleaved")
	s.place.flags(fs)
	fs.StringVar(&s.dir, "dir", os.TempDir(), "make the layers in this `directory`; short, on the filesystem where images are")
	fs.StringVar(&s.json, "json", "", "write what was measured to this `file`")
	fs.StringVar(&s.plots, "plots", "", "draw pictures (SVG and PNG) into this `directory`")
	fs.StringVar(&s.from, "from", "", "measure nothing: read this `file` of an earlier run with -json")
	if err := program.Parse(fs, args); err != nil {
		return s, err
	}
	return s, s.check()
}

func (s *settings) check() error {
	switch {
	case s.layers < 1 || s.layers > maxLayers:
		return fmt.Errorf("cannot make roots of %d layers: from 1 to %d are possible", s.layers, maxLayers)
	case slices.Max(s.threads) > maxThreads:
		return fmt.Errorf("cannot use %d threads: at most %d", slices.Max(s.threads), maxThreads)
	case s.time <= 0 || s.rounds < 1 || s.count < 0:
		return errors.New("-time and -rounds must be positive, -count not negative")
	}
	return nil
}
