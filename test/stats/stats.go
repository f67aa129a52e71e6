// Package stats has what the measuring programs say about samples: middles and
// spreads, ratios with their confidence intervals, and whether they allow a
// conclusion.
package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Confidence is that of all intervals.
const Confidence = 0.95

// Settings of the bootstrap. The seed is fixed, so that the same samples always
// give the same interval.
const (
	resamples = 4000
	seed      = 20250901
)

// Fewest is the smallest number of rounds that can show a difference: with five,
// all rounds agreeing is no rarer than 2 in 2^5 by chance alone, more than 5 %.
const Fewest = 6

// Summary describes samples by their middle and their spread.
type Summary struct {
	Median  float64   `json:"median"`
	P10     float64   `json:"p10"`
	P90     float64   `json:"p90"`
	Samples []float64 `json:"samples"` // in the order in which they were measured
}

// Interval is an estimate with its confidence interval.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Excludes reports whether x lies outside the interval.
func (i Interval) Excludes(x float64) bool { return x < i.Low || x > i.High }

// Quantile returns the value that a share q of sorted samples does not exceed,
// interpolated between neighbours. It is NaN without samples.
func Quantile(sorted []float64, q float64) float64 {
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

// QuantileOf is [Quantile] of samples in any order.
func QuantileOf(samples []float64, q float64) float64 {
	return Quantile(slices.Sorted(slices.Values(samples)), q)
}

// Summarize describes samples.
func Summarize(samples []float64) Summary {
	sorted := slices.Sorted(slices.Values(samples))
	return Summary{Median: Quantile(sorted, 0.5), P10: Quantile(sorted, 0.1), P90: Quantile(sorted, 0.9), Samples: samples}
}

// RatioOfMedians estimates median(a)/median(b) with a percentile bootstrap. It
// resamples rounds, that is, a[i] together with b[i], which were measured one
// right after the other: what slowed the machine for a while slowed both.
// Samples of different lengths have no interval, and a ratio of NaN.
func RatioOfMedians(a, b []float64) Interval {
	if len(a) != len(b) || len(a) == 0 {
		return Interval{math.NaN(), math.NaN(), math.NaN()}
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
		ratios[i] = Quantile(as, 0.5) / Quantile(bs, 0.5)
	}
	slices.Sort(ratios)
	tail := (1 - Confidence) / 2
	return Interval{
		Value: QuantileOf(a, 0.5) / QuantileOf(b, 0.5),
		Low:   Quantile(ratios, tail), High: Quantile(ratios, 1-tail),
	}
}

// Verdict says in a word what an interval of a ratio allows to conclude, given
// how many rounds it comes from.
func Verdict(ratio Interval, rounds int) string {
	switch {
	case rounds < Fewest:
		return "too few"
	case math.IsNaN(ratio.Value) || !ratio.Excludes(1):
		return "noise"
	case ratio.High < 1:
		return "better"
	default:
		return "worse"
	}
}
