package main

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tango/test/figures"
	"tango/test/stats"
)

// latencyPicture shows how create+start is distributed, one at a time and in
// bursts.
func (r *report) latencyPicture() (*figures.Picture, error) {
	p := &figures.Picture{Name: "latency", Height: 380 * figures.Px}
	if start := r.find("start"); start != nil {
		panel, err := distribution("One at a time", both{start.Tango.Samples, start.Stock.Samples})
		if err != nil {
			return nil, err
		}
		p.Panels = append(p.Panels, panel)
	}
	if len(r.Burst[tango]) > 0 {
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
func distribution(title string, samples both) (*plot.Plot, error) {
	panel := figures.NewPanel(title, "create + start, ms (up to p99)", "share of containers, %")
	figures.AddGrid(panel, true)
	medians := [2]float64{stats.QuantileOf(samples[tango], 0.5), stats.QuantileOf(samples[stock], 0.5)}
	faster := tango
	if medians[stock] < medians[tango] {
		faster = stock
	}
	for _, s := range []side{stock, tango} {
		sorted := slices.Sorted(slices.Values(samples[s]))
		steps, err := plotter.NewLine(cumulative(sorted))
		if err != nil {
			return nil, err
		}
		steps.StepStyle = plotter.PostStep
		steps.LineStyle = figures.Line(sideColors[s], 2.5*figures.Px)
		panel.Add(steps, &marker{at: medians[s], side: s, leftwards: s == faster})
	}
	// Adding has widened the range to all samples. It is to begin with 0, to leave
	// out the last percent, and to have room for the right median's name.
	panel.Y.Min, panel.Y.Max = 0, 100
	panel.X.Min, panel.X.Max = 0, max(1.04*stats.QuantileOf(samples[tango], 0.99), 1.04*stats.QuantileOf(samples[stock], 0.99), 1.3*medians[1-faster])
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

// marker names a curve at its median: a point with name and value beside it.
type marker struct {
	at        float64
	side      side
	leftwards bool
}

// Plot draws the marker.
func (m *marker) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	at := vg.Point{X: x(m.at), Y: y(50)}
	c.DrawGlyph(draw.GlyphStyle{Color: sideColors[m.side], Radius: 4.5 * figures.Px, Shape: draw.CircleGlyph{}}, at)
	// The curve only rises: to its left there is room above, to its right below.
	name, value := 27*figures.Px, 9*figures.Px
	if !m.leftwards {
		name, value = -9*figures.Px, -27*figures.Px
	}
	write(c, at.Add(vg.Point{Y: name}), m.side, m.leftwards, sideLabels[m.side])
	write(c, at.Add(vg.Point{Y: value}), m.side, m.leftwards, stats.Number(m.at)+" ms")
}
