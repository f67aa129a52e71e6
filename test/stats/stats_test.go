package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestQuantile(t *testing.T) {
	sorted := []float64{1, 2, 3, 4, 5}
	for _, c := range []struct{ q, want float64 }{{0, 1}, {0.1, 1.4}, {0.5, 3}, {0.9, 4.6}, {1, 5}} {
		if got := Quantile(sorted, c.q); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("quantile %v is %v, want %v", c.q, got, c.want)
		}
	}
	if got := Quantile([]float64{7}, 0.99); got != 7 {
		t.Errorf("quantile of one sample is %v", got)
	}
	if got := Quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("quantile of nothing is %v", got)
	}
}

func TestSummarizeKeepsTheOrder(t *testing.T) {
	s := Summarize([]float64{5, 1, 3, 2, 4})
	if s.Median != 3 || math.Abs(s.P10-1.4) > 1e-9 || math.Abs(s.P90-4.6) > 1e-9 {
		t.Errorf("got %+v", s)
	}
	if s.Samples[0] != 5 || s.Samples[4] != 4 {
		t.Errorf("the samples were reordered: %v", s.Samples)
	}
}

// noisy returns samples around a middle, with a few that took much longer.
func noisy(random *rand.Rand, n int, middle float64) []float64 {
	samples := make([]float64, n)
	for i := range samples {
		samples[i] = middle * math.Exp(0.1*random.NormFloat64())
		if random.IntN(20) == 0 {
			samples[i] *= 5
		}
	}
	return samples
}

// TestIntervalCovers draws samples of a known ratio again and again: the
// interval must hold the truth about as often as it claims.
func TestIntervalCovers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const experiments, truth = 100, 0.5
	covered := 0
	for range experiments {
		r := RatioOfMedians(noisy(random, 30, 50*truth), noisy(random, 30, 50))
		if r.Low > r.Value || r.Value > r.High {
			t.Fatalf("the estimate lies outside of its interval: %+v", r)
		}
		if !r.Excludes(truth) {
			covered++
		}
	}
	if covered < experiments*90/100 {
		t.Errorf("%d of %d intervals held the truth, want about 95 %%", covered, experiments)
	}
}

// TestPairsCancelDrift gives both sides the same slow rounds: the interval must
// be narrow, because every round has the same ratio.
func TestPairsCancelDrift(t *testing.T) {
	var a, b []float64
	for i := range 20 {
		slow := 1 + float64(i%7)
		a, b = append(a, 30*slow), append(b, 60*slow)
	}
	if r := RatioOfMedians(a, b); math.Abs(r.Low-0.5) > 1e-9 || math.Abs(r.High-0.5) > 1e-9 {
		t.Errorf("got %+v, want 0.5 without spread", r)
	}
}

func TestRatioIsRepeatable(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	a, b := noisy(random, 25, 10), noisy(random, 25, 12)
	if one, two := RatioOfMedians(a, b), RatioOfMedians(a, b); one != two {
		t.Errorf("%+v, then %+v", one, two)
	}
	if r := RatioOfMedians(a, b[:3]); !math.IsNaN(r.Value) {
		t.Errorf("samples of different lengths gave %+v", r)
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		ratio  Interval
		rounds int
		want   string
	}{
		{Interval{0.5, 0.4, 0.6}, 20, "better"},
		{Interval{1.5, 1.2, 1.8}, 20, "worse"},
		{Interval{0.9, 0.7, 1.1}, 20, "noise"},
		{Interval{1, 1, 1}, 20, "noise"},
		{Interval{0.5, 0.4, 0.6}, Fewest - 1, "too few"},
		{Interval{math.NaN(), math.NaN(), math.NaN()}, 20, "noise"},
	} {
		if got := Verdict(c.ratio, c.rounds); got != c.want {
			t.Errorf("%+v of %d rounds: %q, want %q", c.ratio, c.rounds, got, c.want)
		}
	}
}

// TestNoDifferenceIsNoise compares samples of the same distribution: a verdict
// must be rare.
func TestNoDifferenceIsNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	const experiments = 100
	wrong := 0
	for range experiments {
		if Verdict(RatioOfMedians(noisy(random, 30, 50), noisy(random, 30, 50)), 30) != "noise" {
			wrong++
		}
	}
	if wrong > experiments/10 {
		t.Errorf("%d of %d comparisons of equals ended with a verdict", wrong, experiments)
	}
}
