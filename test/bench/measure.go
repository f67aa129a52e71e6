package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	containerd "github.com/containerd/containerd/v2/client"

	"tango/test/harness"
	"tango/test/images"
)

// bench is a run of the benchmark.
type bench struct {
	settings
	node     *harness.Node
	image    containerd.Image
	resident [2]*harness.Container // a running pod of each side, beside which all is measured
	progress *progress
	report   *report
	mappings int // user namespace mappings given out
}

// part is something that is measured, as -only selects it.
type part struct {
	name string
	run  func(*bench, context.Context) error
}

// parts in the order in which they run. The light ones come before those that
// leave the machine something to tidy up.
var parts = []part{
	{"start", (*bench).starts},
	{"plain", (*bench).plainStarts},
	{"pod", (*bench).podMembers},
	{"exec", (*bench).execs},
	{"info", (*bench).infos},
	{"layers", (*bench).startsOverLayers},
	{"mounts", (*bench).startsOverMounts},
	{"cpu", (*bench).cpuTime},
	{"calls", (*bench).mountCalls},
	{"memory", (*bench).memory},
	{"burst", (*bench).allBursts},
}

func partNames() []string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// selected returns the parts that -only asks for.
func (s settings) selected() ([]part, error) {
	wanted, err := regexp.Compile("^(" + s.only + ")$")
	if err != nil {
		return nil, err
	}
	var found []part
	for _, p := range parts {
		if s.only == "" || wanted.MatchString(p.name) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("cannot find a part that matches %q: there are %v", s.only, partNames())
	}
	return found, nil
}

// errInterrupted says that the user has ended the run.
var errInterrupted = errors.New("interrupted")

// measure runs the selected parts on a private containerd.
func measure(ctx context.Context, s settings) (_ *report, retErr error) {
	wanted, err := s.selected()
	if err != nil {
		return nil, err
	}
	b := &bench{settings: s, progress: newProgress(len(wanted))}
	b.progress.say("starting a private containerd in a private mount namespace")
	if b.node, err = harness.Start(ctx, harness.Options{LogLevel: "warn"}); err != nil {
		return nil, err
	}
	defer func() {
		if retErr != nil && ctx.Err() == nil {
			b.progress.say("log of containerd and the shims:\n%s", b.node.LogTail(30))
		}
		if ctx.Err() != nil {
			retErr = errInterrupted // whatever failed did so because of that
		}
		b.progress.say("taking everything away")
		retErr = errors.Join(retErr, b.node.Close())
	}()
	if b.report, err = b.newReport(); err != nil {
		return nil, err
	}
	if err := b.settleIn(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	for _, p := range wanted {
		b.progress.begin()
		if err := p.run(b, ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	b.report.Seconds = time.Since(began).Seconds()
	return b.report, nil
}

// settleIn imports the image and starts the resident pods.
func (b *bench) settleIn(ctx context.Context) (err error) {
	b.progress.say("making and importing an image of %d layers", b.layers)
	if b.image, err = b.node.Image(ctx, images.Config{Layers: b.layers}); err != nil {
		return err
	}
	for _, s := range order(0) {
		spec := b.spec(s)
		spec.ID = residentID(s)
		spec.Annotations = map[string]string{sandboxAnnotation: spec.ID}
		if b.resident[s], err = b.node.Run(ctx, spec); err != nil {
			return err
		}
	}
	return nil
}

func residentID(s side) string { return "resident-" + s.String() }

// rounds runs something for both sides, in turn in every round, and returns
// what it measured: do returns one value for each column. The values of warm
// rounds before the n that count are thrown away. The progress shows the first column.
func (b *bench) rounds(ctx context.Context, title, unit string, warm, n int, do func(context.Context, side) ([]float64, error)) ([]both, error) {
	var columns []both
	total := warm + n
	for i := range total {
		for _, s := range order(i) {
			values, err := do(ctx, s)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s, err)
			}
			if i < warm {
				continue
			}
			if columns == nil {
				columns = make([]both, len(values))
			}
			for c, v := range values {
				columns[c][s] = append(columns[c][s], v)
			}
		}
		var sofar both
		if columns != nil {
			sofar = columns[0]
		}
		b.progress.step(title, i+1, total, sofar, unit)
	}
	return columns, nil
}

// milliseconds is the unit of all times in the report.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
