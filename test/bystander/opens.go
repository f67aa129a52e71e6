package bystander

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"tango/test/program"
	"tango/test/stats"
)

// Opens is how long opening files took in some time, in milliseconds.
type Opens struct {
	Count int       `json:"count"`
	Late  int       `json:"late"`    // done 5 ms or more after they were due
	Call  Quantiles `json:"call_ms"` // of the call alone
	Due   Quantiles `json:"due_ms"`  // from when it was to happen: with the wait for a processor
}

// lateAfter is what is called late, in milliseconds: more than a turn of the
// scheduler.
const lateAfter = 5

// Quantiles of times in milliseconds.
type Quantiles struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// During describes the opens that were due from one moment until before another; nil
// if there were none.
func During(seen []Opened, from, to time.Duration) *Opens {
	var call, due []float64
	for _, o := range seen {
		if o.Due >= from && o.Due < to {
			call = append(call, program.Milliseconds(o.Done-o.Began))
			due = append(due, program.Milliseconds(o.Done-o.Due))
		}
	}
	if call == nil {
		return nil
	}
	o := &Opens{Count: len(call), Call: quantilesOf(call), Due: quantilesOf(due)}
	o.Late = o.Count - sort.SearchFloat64s(due, lateAfter)
	return o
}

func quantilesOf(samples []float64) Quantiles {
	slices.Sort(samples)
	return Quantiles{
		P50: stats.Quantile(samples, 0.5), P99: stats.Quantile(samples, 0.99),
		P999: stats.Quantile(samples, 0.999), Max: samples[len(samples)-1],
	}
}

func (o *Opens) String() string {
	return fmt.Sprintf("%d, p99 %.3f ms from when due, %.3f ms the call", o.Count, o.Due.P99, o.Call.P99)
}
