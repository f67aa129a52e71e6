package main

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"tango/test/figures"
)

// draw makes the picture: throughput and latency over the number of threads.
func (r *report) draw(dir string) error {
	if len(r.threads()) < 2 {
		return nil // no curve
	}
	rate, err := r.panel("Throughput", "roots per second", point.rate)
	if err != nil {
		return fmt.Errorf("cannot draw: %w", err)
	}
	rate.Add(r.key())
	rate.Y.Min = 0
	rate.Y.Max *= 1.1 + 0.12*float64(len(r.ways())) // room for the key
	ready, err := r.panel("Latency", "root attached after, ms (p99 dashed)", func(p point) float64 { return math.Log10(p.P50) })
	if err != nil {
		return fmt.Errorf("cannot draw: %w", err)
	}
	if err := r.addCurves(ready, func(p point) float64 { return math.Log10(p.P99) }, true); err != nil {
		return fmt.Errorf("cannot draw: %w", err)
	}
	// Not the library's logarithmic axis, whose label has no room in its middle.
	ready.Y.Min, ready.Y.Max = math.Floor(ready.Y.Min), math.Ceil(ready.Y.Max)
	ready.Y.Tick.Marker = decades(ready.Y.Min, ready.Y.Max)
	p := &figures.Picture{Name: "mountbench", Height: 420 * figures.Px, Panels: []*plot.Plot{rate, ready}}
	return p.Save(dir)
}

// panel draws one value over the number of threads.
func (r *report) panel(title, y string, value func(point) float64) (*plot.Plot, error) {
	p := figures.NewPanel(title, "threads", y)
	figures.AddGrid(p, false)
	var ticks plot.ConstantTicks
	for _, threads := range r.threads() {
		ticks = append(ticks, plot.Tick{Value: position(threads), Label: figures.TickLabel(float64(threads))})
	}
	p.X.Tick.Marker = ticks
	return p, r.addCurves(p, value, false)
}

// position is where a number of threads stands: doubling is a step.
func position(threads int) float64 { return math.Log2(float64(threads)) }

func (r *report) addCurves(p *plot.Plot, value func(point) float64, dashed bool) error {
	for _, name := range r.ways() {
		var curve plotter.XYs
		for _, threads := range r.threads() {
			if y := r.median(name, threads, value); !math.IsNaN(y) {
				curve = append(curve, plotter.XY{X: position(threads), Y: y})
			}
		}
		lines, points, err := plotter.NewLinePoints(curve)
		if err != nil {
			return err
		}
		c := colorOf(name)
		lines.LineStyle = figures.Line(c, 2.5*figures.Px)
		points.GlyphStyle = draw.GlyphStyle{Color: c, Radius: 3.5 * figures.Px, Shape: draw.CircleGlyph{}}
		if dashed {
			lines.LineStyle = figures.Line(c, 1.5*figures.Px)
			lines.LineStyle.Dashes = figures.Dashes
			p.Add(lines)
			continue
		}
		p.Add(lines, points)
	}
	return nil
}

// colorOf is the way's: the worker's is tango's.
func colorOf(name string) color.NRGBA {
	return figures.Series[len(ways)-1-number(name)]
}

func (r *report) key() figures.Key {
	var k figures.Key
	for _, name := range r.ways() {
		k.Labels, k.Colors = append(k.Labels, titleOf(name)), append(k.Colors, colorOf(name))
	}
	return k
}

// decades are ticks at powers of ten, for an axis of their logarithms.
func decades(low, high float64) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for power := low; power <= high; power++ {
		ticks = append(ticks, plot.Tick{Value: power, Label: figures.TickLabel(math.Pow(10, power))})
	}
	return ticks
}
