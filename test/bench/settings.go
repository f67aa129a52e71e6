package main

import (
	"errors"
	"flag"
	"fmt"
	"regexp"
	"strings"
	"time"

	"tango/test/program"
)

// settings are what the command line can change.
type settings struct {
	rounds      int           // measured rounds of what runs one at a time
	warmup      int           // rounds before those, not counted
	layers      int           // of the image, where the row doesn't say otherwise
	burst       int           // containers in a burst
	concurrency int           // how many of a burst start at once
	bursts      int           // rounds of bursts
	pods        int           // for the memory of shims, and for containerd's restart
	restarts    int           // rounds of restarts
	settle      time.Duration // how long shims are left alone before their memory is read
	rest        time.Duration // how long the machine is left alone before each sample of what runs one at a time
	calmBursts  int           // rounds of first bursts after a calm
	calm        time.Duration // how long nothing starts before those

	overLayers      program.Ints // layers of the series
	overMounts      program.Ints // mounts on the host, of the series
	overRunning     program.Ints // containers that run meanwhile, of the series
	overConcurrency program.Ints // how many start at once, of the series
	curveBurst      int          // containers in a burst of that series
	curveBursts     int          // rounds of those bursts

	exec  []string // what is executed in a running container
	only  string   // regular expression of the parts to run
	crun  string   // crun's program, or how to find it
	quick bool

	json, plots, from string
}

// How to find crun.
const (
	crunAuto = "auto"
	crunNone = "none"
)

// parseSettings reads the command line. With -quick the sizes are those of
// quick, except where a flag says otherwise.
func parseSettings(args []string) (settings, error) {
	s := settings{
		overLayers: program.Ints{1, 10, 25, 50, 100}, overMounts: program.Ints{20, 1000, 2500, 5000},
		overRunning: program.Ints{2, 50, 100, 200}, overConcurrency: program.Ints{1, 4, 16, 32},
		rounds: 30, warmup: 3, layers: 50, burst: 100, concurrency: 16, bursts: 8, pods: 100, restarts: 8,
		settle: 20 * time.Second, rest: 100 * time.Millisecond, curveBurst: 32, curveBursts: 6,
		calmBursts: 6, calm: 20 * time.Second, exec: []string{"/bin/true"},
	}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	s.sizes(fs)
	s.series(fs)
	s.common(fs, privateParts)
	fs.IntVar(&s.restarts, "restarts", s.restarts, "measured restarts of containerd, of each side")
	fs.Var(&s.overLayers, "over-layers", "`numbers` of layers of the series")
	fs.Var(&s.overMounts, "over-mounts", "`numbers` of mounts on the host of the series")
	fs.IntVar(&s.calmBursts, "calm-bursts", s.calmBursts, "measured first bursts after a calm, of each side")
	fs.DurationVar(&s.calm, "calm", s.calm, "how long nothing starts before each of them")
	fs.StringVar(&s.crun, "crun", crunAuto, "`program` to compare with, too: auto is crun if it is in PATH, none is without")
	if err := program.Parse(fs, args); err != nil {
		return s, err
	}
	if s.quick {
		if err := s.shrink(fs); err != nil {
			return s, err
		}
	}
	return s, s.check()
}

// common are the flags of what to do and where to put it.
func (s *settings) common(fs *flag.FlagSet, among []part) {
	fs.StringVar(&s.only, "only", "", "run only the parts that match this `regexp`: "+strings.Join(partNames(among), " "))
	fs.BoolVar(&s.quick, "quick", false, "small numbers: shows within a minute or two that everything works, and concludes nothing")
	fs.StringVar(&s.json, "json", "", "write all samples to this `file`")
	fs.StringVar(&s.plots, "plots", "", "draw pictures (SVG and PNG) into this `directory`")
	fs.StringVar(&s.from, "from", "", "measure nothing: read the samples from this `file` of an earlier run with -json")
}

// sizes are the flags of how much is measured. The values are what s has already.
func (s *settings) sizes(fs *flag.FlagSet) {
	fs.IntVar(&s.rounds, "rounds", s.rounds, "measured rounds of what runs one at a time")
	fs.IntVar(&s.warmup, "warmup", s.warmup, "rounds before those, not counted")
	fs.IntVar(&s.layers, "layers", s.layers, "layers of the image that is made")
	fs.IntVar(&s.burst, "burst", s.burst, "containers in a burst")
	fs.IntVar(&s.concurrency, "concurrency", s.concurrency, "how many of a burst start at once")
	fs.IntVar(&s.bursts, "bursts", s.bursts, "measured bursts of each side")
	fs.IntVar(&s.pods, "pods", s.pods, "pods that run while memory is read (and containerd is restarted)")
	fs.DurationVar(&s.rest, "rest", s.rest, "how long the machine is left alone before each sample of what runs one at a time")
	fs.DurationVar(&s.settle, "settle", s.settle, "how long shims are left alone before their memory is read")
}

func (s *settings) series(fs *flag.FlagSet) {
	fs.Var(&s.overRunning, "over-running", "`numbers` of containers that run already, of the series; half of them are of each side")
	fs.Var(&s.overConcurrency, "over-concurrency", "`numbers` of containers that start at once, of the series")
	fs.IntVar(&s.curveBurst, "series-burst", s.curveBurst, "containers in a burst of the series over concurrency")
	fs.IntVar(&s.curveBursts, "series-bursts", s.curveBursts, "measured bursts of each side, and number, in that series")
}

// quickSizes are those of a quick run.
var quickSizes = map[string]string{
	"rounds": "3", "warmup": "1", "layers": "5", "burst": "6", "concurrency": "3", "bursts": "2",
	"pods": "12", "restarts": "2", "settle": "6s", "rest": "10ms", "over-layers": "1,5", "over-mounts": "20,200",
	"over-running": "2,6", "over-concurrency": "1,4", "series-burst": "4", "series-bursts": "2",
	"calm-bursts": "2", "calm": "1s",
}

// shrink sets the sizes of a quick run, but for the flags that were given.
func (s *settings) shrink(fs *flag.FlagSet) error {
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range quickSizes {
		if given[name] || fs.Lookup(name) == nil {
			continue
		}
		if err := fs.Set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (s *settings) check() error {
	for name, n := range map[string]int{
		"rounds": s.rounds, "layers": s.layers, "burst": s.burst, "concurrency": s.concurrency, "bursts": s.bursts,
		"pods": s.pods, "restarts": s.restarts, "series-burst": s.curveBurst, "series-bursts": s.curveBursts,
	} {
		if n < 1 {
			return fmt.Errorf("cannot use -%s %d: must be at least 1", name, n)
		}
	}
	if s.warmup < 0 {
		return errors.New("cannot use a -warmup below 0")
	}
	_, err := regexp.Compile(s.only)
	return err
}
