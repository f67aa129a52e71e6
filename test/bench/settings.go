package main

import (
	"errors"
	"flag"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// settings are what the command line can change.
type settings struct {
	rounds      int           // measured rounds of what runs one at a time
	warmup      int           // rounds before those, not counted
	layers      int           // of the image, where the row doesn't say otherwise
	burst       int           // containers in a burst
	concurrency int           // how many of a burst start at once
	bursts      int           // rounds of bursts
	pods        int           // for the memory of shims
	settle      time.Duration // how long shims are left alone before their memory is read
	overLayers  intList       // layers of the series
	overMounts  intList       // mounts on the host, of the series
	only        string        // regular expression of the parts to run
	quick       bool

	json, plots, from string
}

// intList is a flag of numbers with commas between them.
type intList []int

func (l *intList) String() string {
	var words []string
	for _, n := range *l {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ",")
}

// Set parses "1,50,100".
func (l *intList) Set(text string) error {
	*l = nil
	for _, word := range strings.Split(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return fmt.Errorf("cannot use %q: want numbers from 1 on with commas between them", word)
		}
		*l = append(*l, n)
	}
	return nil
}

// parseSettings reads the command line. With -quick the sizes are those of
// quick, except where a flag says otherwise.
func parseSettings(args []string) (settings, error) {
	s := settings{overLayers: intList{1, 10, 25, 50, 100}, overMounts: intList{20, 1000, 2500, 5000}}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.IntVar(&s.rounds, "rounds", 40, "measured rounds of what runs one at a time")
	fs.IntVar(&s.warmup, "warmup", 3, "rounds before those, not counted")
	fs.IntVar(&s.layers, "layers", 50, "layers of the image")
	fs.IntVar(&s.burst, "burst", 100, "containers in a burst")
	fs.IntVar(&s.concurrency, "concurrency", 16, "how many of a burst start at once")
	fs.IntVar(&s.bursts, "bursts", 8, "measured bursts of each side")
	fs.IntVar(&s.pods, "pods", 20, "pods for the memory of the shims")
	fs.DurationVar(&s.settle, "settle", 5*time.Second, "how long shims are left alone before their memory is read")
	fs.Var(&s.overLayers, "over-layers", "numbers of layers of the series")
	fs.Var(&s.overMounts, "over-mounts", "numbers of mounts on the host of the series")
	fs.StringVar(&s.only, "only", "", "run only the parts that match this `regexp`: "+strings.Join(partNames(), " "))
	fs.BoolVar(&s.quick, "quick", false, "small numbers: shows within a minute that everything works, and concludes nothing")
	fs.StringVar(&s.json, "json", "", "write all samples to this `file`")
	fs.StringVar(&s.plots, "plots", "", "draw pictures (SVG and PNG) into this `directory`")
	fs.StringVar(&s.from, "from", "", "measure nothing: read the samples from this `file` of an earlier run with -json")
	if err := fs.Parse(args); err != nil {
		return s, err
	}
	if fs.NArg() > 0 {
		return s, fmt.Errorf("cannot use %q: only flags are taken", fs.Args())
	}
	if s.quick {
		if err := s.shrink(fs); err != nil {
			return s, err
		}
	}
	return s, s.check()
}

// shrink sets the sizes of a quick run, but for the flags that were given.
func (s *settings) shrink(fs *flag.FlagSet) error {
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{
		"rounds": "3", "warmup": "1", "layers": "5", "burst": "6", "concurrency": "3", "bursts": "2",
		"pods": "2", "settle": "200ms", "over-layers": "1,5", "over-mounts": "20,200",
	} {
		if given[name] {
			continue
		}
		if err := fs.Set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (s *settings) check() error {
	if s.rounds < 1 || s.layers < 1 || s.burst < 1 || s.concurrency < 1 || s.bursts < 1 || s.pods < 1 || s.warmup < 0 {
		return errors.New("all sizes must be at least 1, -warmup at least 0")
	}
	_, err := regexp.Compile(s.only)
	return err
}
