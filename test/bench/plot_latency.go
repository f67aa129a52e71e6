package main

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tango/test/figures"
	"tango/test/sides"
	"tango/test/stats"
)

// latencyPicture shows how create+start is distributed, one at a time and in
// bursts.
func (r *report) latencyPicture() (*figures.Picture, error) {
	p := &figures.Picture{Name: "latency", Height: 380 * figures.Px}
	if start := r.find("start"); start != nil {
		samples := sides.Samples{sides.Tango: start.Tango.Samples, sides.Stock: start.Stock.Samples}
		if start.Crun != nil {
			samples[sides.Crun] = start.Crun.Samples
		}
		panel, err := distribution("One at a time", samples)
		if err != nil {
			return nil, err
		}
		p.Panels = append(p.Panels, panel)
	}
	if len(r.Burst[sides.Tango]) > 0 {
		title := fmt.Sprintf("Burst of %d, %d at a time", r.Sizes.Burst, r.Sizes.Concurrency)
		panel, err := distribution(title, r.Burst)
		if err != nil {
			return nil, err
		}
		p.Panels = append(p.Panels, panel)
	}
	if p.Panels == nil {
		return nil, nil
	}
	return p, nil
}

// distribution draws what share of the samples was at most so large.
func distribution(title string, samples sides.Samples) (*plot.Plot, error) {
	panel := figures.NewPanel(title, "create + start, ms (up to p99)", "share of containers, %")
	figures.AddGrid(panel, true)
	end := 0.0
	for s := sides.Count - 1; s >= 0; s-- { // tango's on top
		if len(samples[s]) == 0 {
			continue
		}
		m := &marker{at: stats.QuantileOf(samples[s], 0.5), side: s, others: samples}
		end = max(end, 1.04*stats.QuantileOf(samples[s], 0.99), 1.3*m.at)
		steps, err := plotter.NewLine(cumulative(slices.Sorted(slices.Values(samples[s]))))
		if err != nil {
			return nil, err
		}
		steps.StepStyle = plotter.PostStep
		steps.LineStyle = figures.Line(colorOf(s), 2.5*figures.Px)
		panel.Add(steps, m)
	}
	// Adding has widened the range to all samples. It is to begin with 0, to leave
	// out the last percent, and to have room for the right median's name.
	panel.Y.Min, panel.Y.Max = 0, 100
	panel.X.Min, panel.X.Max = 0, end
	return panel, nil
}

// cumulative returns the steps of the distribution, from 0 to 100 %.
func cumulative(sorted []float64) plotter.XYs {
	points := plotter.XYs{{X: sorted[0], Y: 0}}
	for i, x := range sorted {
		points = append(points, plotter.XY{X: x, Y: 100 * float64(i+1) / float64(len(sorted))})
	}
	return points
}

// marker names a curve at its median: a point with name and value beside it, and on
// the side where no other curve is.
type marker struct {
	at     float64
	side   sides.Side
	others sides.Samples
}

// place says where among the medians this one is: -1 leftmost, 1 rightmost, 0 between.
func (m *marker) place() int {
	left, right := true, true
	for s, samples := range m.others {
		if len(samples) == 0 || sides.Side(s) == m.side {
			continue
		}
		if median := stats.QuantileOf(samples, 0.5); median < m.at {
			left = false
		} else {
			right = false
		}
	}
	switch {
	case left:
		return -1
	case right:
		return 1
	}
	return 0
}

// Plot draws the marker.
func (m *marker) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	at := vg.Point{X: x(m.at), Y: y(50)}
	c.DrawGlyph(draw.GlyphStyle{Color: colorOf(m.side), Radius: 4.5 * figures.Px, Shape: draw.CircleGlyph{}}, at)
	// The curve only rises: to its left there is room above, to its right below. What
	// is between two others goes far below, where they have not begun to rise.
	name, value, leftwards := 27*figures.Px, 9*figures.Px, true
	switch m.place() {
	case 1:
		name, value, leftwards = -9*figures.Px, -27*figures.Px, false
	case 0:
		name, value, leftwards = -75*figures.Px, -93*figures.Px, false
	}
	write(c, at.Add(vg.Point{Y: name}), m.side, leftwards, m.side.Label())
	write(c, at.Add(vg.Point{Y: value}), m.side, leftwards, stats.Number(m.at)+" ms")
}
