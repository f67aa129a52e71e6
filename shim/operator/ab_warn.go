package operator

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"tango/shim/rollout"
	"tango/shim/telemetry"
)

const (
	// enoughStarts of an arm: with fewer, a failure rate of a few percent can't be
	// told from none.
	enoughStarts = 200
	// unequal is how different the mixes of nodes may be, as a part of the records
	// that would have to be in another place for the mixes to be the same.
	unequal = 0.1
	// unequalLayers is how much the mean number of layers may differ.
	unequalLayers = 0.2
	// muchLost is which part of records may be missing.
	muchLost = 0.01
)

func (c *Comparison) warnf(format string, args ...any) {
	c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...))
}

// warn says what keeps the data from carrying a conclusion.
func (c *Comparison) warn(g *gathered, arms map[string][]telemetry.Record) {
	tried, base := arms[c.Tried], arms[c.Base]
	for _, s := range c.Arms {
		if s.Starts < enoughStarts {
			c.warnf("too little data: arm %s has %s, %d or more are wanted", s.Arm, count(s.Starts, "start"), enoughStarts)
		}
	}
	c.warnMix("kernels and hardware", tried, base, stratumOf)
	c.warnMix("nodes", tried, base, func(r telemetry.Record) string { return r.Node })
	if a, b := c.Arms[0].Layers, c.Arms[1].Layers; math.Abs(a-b) > unequalLayers*max(a, b) {
		c.warnf("unequal mixes: images of arm %s have %.1f layers on average, those of arm %s %.1f", c.Tried, a, c.Base, b)
	}
	c.warnTime(tried, base)
	c.warnMoved(g.records)
	c.warnLost(g)
	if others := slices.DeleteFunc(slices.Sorted(maps.Keys(arms)), func(a string) bool { return a == c.Tried || a == c.Base }); len(others) > 0 {
		c.warnf("left out: records of the arms %s", strings.Join(others, ", "))
	}
}

// warnMix compares where the arms' records come from.
func (c *Comparison) warnMix(what string, tried, base []telemetry.Record, of func(telemetry.Record) string) {
	a, b := distinct(tried, of), distinct(base, of)
	distance := 0.0
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	for key := range keys {
		distance += math.Abs(float64(a[key])/float64(len(tried))-float64(b[key])/float64(len(base))) / 2
	}
	if distance > unequal {
		c.warnf("unequal mixes: the arms' records come from different %s (%.0f %% of them would have to move): compare within one kind", what, 100*distance)
	}
}

// warnTime compares when they were made: what else changes from day to day must
// have changed for both.
func (c *Comparison) warnTime(tried, base []telemetry.Record) {
	fromA, toA := span(tried)
	fromB, toB := span(base)
	from, to := fromA, toA
	if fromB.After(from) {
		from = fromB
	}
	if toB.Before(to) {
		to = toB
	}
	if both := to.Sub(from); both < c.To.Sub(c.From)/2 {
		c.warnf("the arms ran at different times: %s of %s have records of both", max(both, 0).Round(1e9), c.To.Sub(c.From).Round(1e9))
	}
}

// warnMoved tells of pods that were not where their hash puts them.
func (c *Comparison) warnMoved(records []telemetry.Record) {
	moved := 0
	for _, r := range records {
		if r.ArmWhy == rollout.WhyDisabled {
			moved++
		}
	}
	if moved > 0 {
		c.warnf("%s of pods whose own arm was switched off on their node: the arms are not random samples there", count(moved, "record"))
	}
}

func (c *Comparison) warnLost(g *gathered) {
	dropped := uint64(0)
	for _, r := range g.records {
		dropped += r.Dropped
	}
	if part := float64(dropped) / float64(len(g.records)); part > muchLost {
		c.warnf("%d records never reached a collector: what is here may be the quieter part", dropped)
	}
	if g.twins > 0 {
		c.warnf("%s came twice and count once: is a file among the sources under two names?", count(g.twins, "record"))
	}
	if g.bad > 0 {
		c.warnf("%s could not be read", count(g.bad, "line"))
	}
}
