package operator

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// resamples of a bootstrap: an interval of 95 percent then has 50 beyond each end.
const resamples = 2000

// Interval is where a value is, with 95 percent confidence.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Ratio is a ratio of two medians.
type Ratio struct {
	Value float64 `json:"value"`
	Interval
}

// clear tells whether the interval is on one side of 1.
func (r Ratio) clear() bool { return r.High < 1 || r.Low > 1 }

// medianRatio is the ratio of the medians of two sorted samples, with a percentile
// bootstrap interval. The same samples always give the same interval.
func medianRatio(a, b []time.Duration) Ratio {
	random := rand.New(rand.NewPCG(uint64(len(a)), uint64(len(b)))) //nolint:gosec // of a resampling, which is to be repeatable
	ratios := make([]float64, resamples)
	for i := range ratios {
		ratios[i] = ratioOf(resampledMedian(a, random), resampledMedian(b, random))
	}
	slices.Sort(ratios)
	return Ratio{
		Value:    ratioOf(quantile(a, 0.5), quantile(b, 0.5)),
		Interval: Interval{Low: ratios[resamples*25/1000], High: ratios[resamples*975/1000-1]},
	}
}

func ratioOf(a, b time.Duration) float64 { return float64(max(a, 1)) / float64(max(b, 1)) }

// resampledMedian is the median of as many values, drawn with replacement, as there
// are. Which one that is can be drawn directly: the places of n draws are n uniform
// numbers, and the m-th smallest of those has the distribution Beta(m, n+1-m).
func resampledMedian(sorted []time.Duration, random *rand.Rand) time.Duration {
	n := len(sorted)
	m := (n + 1) / 2
	x, y := gamma(float64(m), random), gamma(float64(n+1-m), random)
	return sorted[min(n-1, int(float64(n)*x/(x+y)))]
}

// gamma draws from a gamma distribution of shape 1 or more and scale 1 (Marsaglia
// and Tsang, ACM Transactions on Mathematical Software 26, 2000).
func gamma(shape float64, random *rand.Rand) float64 {
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := random.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-random.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// quantile of a sorted sample, by the nearest rank.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}
