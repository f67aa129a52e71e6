package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Settings of the bootstrap. The seed is fixed, so that the same samples always
// give the same interval.
const (
	resamples  = 4000
	confidence = 0.95
	seed       = 20250901
)

// fewest is the smallest number of rounds that can show a difference: with five,
// all rounds agreeing is no rarer than 2 in 2^5 by chance alone, more than 5 %.
const fewest = 6

// summary describes samples by their middle and their spread.
type summary struct {
	Median  float64   `json:"median"`
	P10     float64   `json:"p10"`
	P90     float64   `json:"p90"`
	Samples []float64 `json:"samples"` // in the order in which they were measured
}

// interval is an estimate with its confidence interval.
type interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// excludes reports whether x lies outside the interval.
func (i interval) excludes(x float64) bool { return x < i.Low || x > i.High }

// quantile returns the value that a share q of sorted samples does not exceed,
// interpolated between neighbours. It is NaN without samples.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// quantileOf is quantile of samples in any order.
func quantileOf(samples []float64, q float64) float64 {
	return quantile(slices.Sorted(slices.Values(samples)), q)
}

// summarize describes samples.
func summarize(samples []float64) summary {
	sorted := slices.Sorted(slices.Values(samples))
	return summary{Median: quantile(sorted, 0.5), P10: quantile(sorted, 0.1), P90: quantile(sorted, 0.9), Samples: samples}
}

// ratioOfMedians estimates median(a)/median(b) with a percentile bootstrap. It
// resamples rounds, that is, a[i] together with b[i], which were measured one
// right after the other: what slowed the machine for a while slowed both.
// Samples of different lengths have no interval, and a ratio of NaN.
func ratioOfMedians(a, b []float64) interval {
	if len(a) != len(b) || len(a) == 0 {
		return interval{math.NaN(), math.NaN(), math.NaN()}
	}
	random := rand.New(rand.NewPCG(seed, uint64(len(a)))) //nolint:gosec // has to be repeatable, not secret
	ratios := make([]float64, resamples)
	as, bs := make([]float64, len(a)), make([]float64, len(b))
	for i := range ratios {
		for j := range as {
			k := random.IntN(len(a))
			as[j], bs[j] = a[k], b[k]
		}
		slices.Sort(as)
		slices.Sort(bs)
		ratios[i] = quantile(as, 0.5) / quantile(bs, 0.5)
	}
	slices.Sort(ratios)
	tail := (1 - confidence) / 2
	return interval{
		Value: quantileOf(a, 0.5) / quantileOf(b, 0.5),
		Low:   quantile(ratios, tail), High: quantile(ratios, 1-tail),
	}
}

// verdict says in a word what an interval of a ratio allows to conclude, given
// how many rounds it comes from.
func verdict(ratio interval, rounds int) string {
	switch {
	case rounds < fewest:
		return "too few"
	case math.IsNaN(ratio.Value) || !ratio.excludes(1):
		return "noise"
	case ratio.High < 1:
		return "better"
	default:
		return "worse"
	}
}
