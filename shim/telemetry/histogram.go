package telemetry

import "time"

// bounds are the upper limits of the histograms' buckets: 62.5 microseconds,
// doubled up to 32 seconds. What takes longer is in no bucket but in the count.
var bounds = func() (b [20]time.Duration) {
	for i := range b {
		b[i] = 62500 * time.Nanosecond << i
	}
	return b
}()

// Bounds are the upper limits of the buckets of every [Histogram].
func Bounds() []time.Duration { return bounds[:] }

// Histogram is how long something took, all times it happened. Buckets are not
// cumulative: each counts what is in it alone.
type Histogram struct {
	Buckets [20]uint64    `json:"buckets"`
	Count   uint64        `json:"count"`
	Sum     time.Duration `json:"sum"`
}

// Observe counts a duration.
func (h *Histogram) Observe(d time.Duration) {
	h.Count++
	h.Sum += d
	for i, bound := range bounds {
		if d <= bound {
			h.Buckets[i]++
			return
		}
	}
}

// Quantile estimates a quantile, q from 0 to 1, from the buckets: the upper limit
// of the one that it is in. It is 0 if nothing was observed.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank, seen := uint64(q*float64(h.Count)), uint64(0)
	if h.Count == 0 {
		return 0
	}
	for i, n := range h.Buckets {
		if seen += n; seen > rank || seen == h.Count {
			return bounds[i]
		}
	}
	return maxTook
}
