package main

import (
	"fmt"
	"slices"
	"sort"

	"tango/test/program"
	"tango/test/stats"
)

// opens is how long opening files took during a burst, in milliseconds.
type opens struct {
	Count int       `json:"count"`
	Late  int       `json:"late"`    // done 5 ms or more after they were due
	Call  quantiles `json:"call_ms"` // of the call alone
	Due   quantiles `json:"due_ms"`  // from when it was to happen: with the wait for a processor
}

// lateAfter is what is called late, in milliseconds: more than a turn of the
// scheduler.
const lateAfter = 5

type quantiles struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// during describes the opens of a burst, from its first start to its last
// delete; nil if there were none.
func during(seen []opened, t times) *opens {
	var call, due []float64
	for _, o := range seen {
		if o.Due >= t.began && o.Due < t.deleted {
			call = append(call, program.Milliseconds(o.Done-o.Began))
			due = append(due, program.Milliseconds(o.Done-o.Due))
		}
	}
	if call == nil {
		return nil
	}
	o := &opens{Count: len(call), Call: quantilesOf(call), Due: quantilesOf(due)}
	o.Late = o.Count - sort.SearchFloat64s(due, lateAfter)
	return o
}

func quantilesOf(samples []float64) quantiles {
	slices.Sort(samples)
	return quantiles{
		P50: stats.Quantile(samples, 0.5), P99: stats.Quantile(samples, 0.99),
		P999: stats.Quantile(samples, 0.999), Max: samples[len(samples)-1],
	}
}

func (o *opens) String() string {
	return fmt.Sprintf("%d, p99 %.3f ms from when due, %.3f ms the call", o.Count, o.Due.P99, o.Call.P99)
}
