package main

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tango/test/figures"
	"tango/test/sides"
	"tango/test/stats"
)

// series is a panel of a curve.
type series struct{ group, title, x, y string }

// curvePicture shows create+start over layers and over the host's mounts.
func (r *report) curvePicture() (*figures.Picture, error) {
	return r.curves("curves", []series{
		{"layers", "More layers", "layers of the image", "create + start, ms"},
		{"mounts", "More mounts on the host", "mounts on the host", "create + start, ms"},
	})
}

// loadPicture shows what a container costs on a machine that has others to run.
func (r *report) loadPicture() (*figures.Picture, error) {
	return r.curves("load", []series{
		{"running", "More containers running", "containers running", "create + start, ms"},
		{"concurrency", "More starts at once", "starts at once", "wall time per container, ms"},
	})
}

// curves draws the panels for which something was measured; nil is none.
func (r *report) curves(name string, all []series) (*figures.Picture, error) {
	p := &figures.Picture{Name: name, Height: 380 * figures.Px}
	for _, c := range all {
		rows := r.group(c.group)
		if len(rows) < 2 {
			continue
		}
		panel, err := curve(c, rows)
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

// drawn are the sides of a curve, tango's on top.
var drawn = []sides.Side{sides.Stock, sides.Tango}

// sideKey tells their colours.
var sideKey = figures.Key{
	Labels: []string{sides.Tango.Label(), sides.Stock.Label()},
	Colors: []color.NRGBA{colorOf(sides.Tango), colorOf(sides.Stock)},
}

// curve draws the medians of both sides over X, and the band from p10 to p90.
func curve(c series, rows []row) (*plot.Plot, error) {
	panel := figures.NewPanel(c.title, c.x, c.y)
	figures.AddGrid(panel, false)
	panel.X.Tick.Marker = measuredTicks(rows)
	for _, s := range drawn {
		var medians, band plotter.XYs
		for _, line := range rows {
			medians = append(medians, plotter.XY{X: float64(line.X), Y: line.summary(s).Median})
			band = append(band, plotter.XY{X: float64(line.X), Y: line.summary(s).P90})
		}
		for i := range rows {
			line := rows[len(rows)-1-i]
			band = append(band, plotter.XY{X: float64(line.X), Y: line.summary(s).P10})
		}
		if err := addCurve(panel, s, medians, band); err != nil {
			return nil, err
		}
	}
	panel.Add(sideKey, lastValues(rows))
	panel.X.Min, panel.Y.Min = 0, 0
	panel.X.Max *= 1.16 // room for the values
	panel.Y.Max *= 1.25 // room for the key
	return panel, nil
}

// lastValues writes the medians at the right ends of the curves.
type lastValues []row

// Plot draws the values.
func (l lastValues) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	last := l[len(l)-1]
	for _, s := range drawn {
		median := last.summary(s).Median
		write(c, vg.Point{X: x(float64(last.X)), Y: y(median)}, s, false, stats.Number(median))
	}
}

func addCurve(panel *plot.Plot, s sides.Side, medians, band plotter.XYs) error {
	spread, err := plotter.NewPolygon(band)
	if err != nil {
		return err
	}
	pale := colorOf(s)
	pale.A = 0x2C
	spread.Color, spread.LineStyle.Width = color.Color(pale), 0
	lines, points, err := plotter.NewLinePoints(medians)
	if err != nil {
		return err
	}
	lines.LineStyle = figures.Line(colorOf(s), 2.5*figures.Px)
	points.GlyphStyle = draw.GlyphStyle{Color: colorOf(s), Radius: 4 * figures.Px, Shape: draw.CircleGlyph{}}
	panel.Add(spread, lines, points)
	return nil
}

// summary returns what was measured of one side.
func (r row) summary(s sides.Side) stats.Summary {
	if s == sides.Tango {
		return r.Tango
	}
	return r.Stock
}

// measuredTicks are where something was measured, with labels where they have
// room.
func measuredTicks(rows []row) plot.ConstantTicks {
	least := 0.06 * float64(rows[len(rows)-1].X)
	var ticks plot.ConstantTicks
	last := math.Inf(-1)
	for _, line := range rows {
		tick := plot.Tick{Value: float64(line.X)}
		if tick.Value-last >= least {
			tick.Label = figures.TickLabel(tick.Value)
			last = tick.Value
		}
		ticks = append(ticks, tick)
	}
	return ticks
}
