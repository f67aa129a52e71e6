package operator

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Plots are drawn by the page's template from these numbers, in pixels.

const (
	curveWidth, curveHeight = 540.0, 190.0
	curveLeft, curveBottom  = 40.0, 26.0
	curveSteps              = 200

	forestRow   = 24.0
	forestChar  = 6.6 // of a name, on average
	forestWidth = 520.0
	forestRight = 140.0 // room for a ratio in numbers
	forestTop   = 44.0
)

// axis maps values to pixels, by their logarithms.
type axis struct{ low, high, from, to float64 }

func (a axis) at(v float64) float64 {
	part := (math.Log(v) - math.Log(a.low)) / (math.Log(a.high) - math.Log(a.low))
	return a.from + (a.to-a.from)*min(max(part, 0), 1)
}

// tick is a mark at an axis.
type tick struct {
	X    float64
	Text string
}

// curvePlot shows which part of the operations took at most how long.
type curvePlot struct {
	Name                    string
	Tried, Base             string // arms
	TriedLine, BaseLine     string // points of a polyline
	TriedMedian, BaseMedian float64
	Ticks                   []tick
	Ratio                   *Ratio
	TriedTimes, BaseTimes   Times
	Left, Right             float64
	Top, Bottom             float64
}

func newCurve(p PhaseDiff, tried, base string) curvePlot {
	low := min(quantile(p.base, 0.002), quantile(p.tried, 0.002))
	high := max(quantile(p.base, 0.995), quantile(p.tried, 0.995))
	x := axis{low: float64(max(low, 1000)) / 1.05, high: float64(max(high, 2000)) * 1.05, from: curveLeft, to: curveWidth - 10}
	return curvePlot{
		Name: p.Name, Tried: tried, Base: base, Ratio: p.Ratio, TriedTimes: p.Tried, BaseTimes: p.Base,
		TriedLine: polyline(p.tried, x), BaseLine: polyline(p.base, x),
		TriedMedian: x.at(float64(p.Tried.Median)), BaseMedian: x.at(float64(p.Base.Median)),
		Ticks: timeTicks(x), Left: x.from, Right: x.to, Top: 10, Bottom: curveHeight - curveBottom,
	}
}

// polyline is the distribution of a sorted sample.
func polyline(sorted durations, x axis) string {
	var b strings.Builder
	for i := range curveSteps + 1 {
		q := float64(i) / curveSteps
		y := curveHeight - curveBottom - q*(curveHeight-curveBottom-10)
		fmt.Fprintf(&b, "%.1f,%.1f ", x.at(float64(max(quantile(sorted, q), 1))), y)
	}
	return b.String()
}

// timeTicks are at 1, 2 and 5 of each power of ten, or fewer where that is a crowd.
func timeTicks(x axis) []tick {
	steps := []float64{1, 2, 5}
	if x.high/x.low > 1000 {
		steps = []float64{1}
	}
	var ticks []tick
	for power := math.Pow(10, math.Floor(math.Log10(x.low))); power <= x.high; power *= 10 {
		for _, step := range steps {
			if v := power * step; v >= x.low && v <= x.high {
				ticks = append(ticks, tick{X: x.at(v), Text: time.Duration(v).String()})
			}
		}
	}
	return ticks
}

// forestPlot shows ratios with their intervals, below one another.
type forestPlot struct {
	Rows   []forestLine
	Ticks  []tick
	One    float64 // where the ratio is 1
	Right  float64 // where the numbers begin
	Width  float64
	Height float64
	Top    float64
}

type forestLine struct {
	Name                  string
	Y, At, From, To       float64
	Text                  string
	Side                  string
	TriedCount, BaseCount int
}

func newForest(phases []PhaseDiff) forestPlot {
	low, high, longest := 0.5, 2.0, 0
	for _, p := range phases {
		if p.Ratio != nil {
			low, high, longest = min(low, p.Ratio.Low), max(high, p.Ratio.High), max(longest, len(p.Name))
		}
	}
	left := 20 + forestChar*float64(longest)
	x := axis{low: max(low/1.1, 0.01), high: min(high*1.1, 100), from: left, to: left + forestWidth}
	f := forestPlot{One: x.at(1), Right: x.to + 15, Width: x.to + forestRight, Top: forestTop}
	for _, v := range []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50, 100} {
		if v >= x.low && v <= x.high {
			f.Ticks = append(f.Ticks, tick{X: x.at(v), Text: fmt.Sprint(v)})
		}
	}
	for _, p := range phases {
		if p.Ratio == nil {
			continue
		}
		r := *p.Ratio
		f.Rows = append(f.Rows, forestLine{
			Name: p.Name, Y: forestTop + forestRow*(float64(len(f.Rows))+0.7), At: x.at(r.Value), From: x.at(r.Low), To: x.at(r.High),
			Text: fmt.Sprintf("%.2f (%.2f to %.2f)", r.Value, r.Low, r.High), Side: side(&r),
			TriedCount: p.Tried.Count, BaseCount: p.Base.Count,
		})
	}
	f.Height = forestTop + forestRow*float64(len(f.Rows)) + 16
	return f
}
