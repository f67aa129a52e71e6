package main

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"tango/test/figures"
)

// draw writes the pictures as SVG and PNG.
func (s swept) draw(dir string) error {
	speed := figures.Picture{Name: "handover-throughput", Height: 400 * figures.Px}
	wait := figures.Picture{Name: "handover-latency", Height: 400 * figures.Px}
	for _, sockets := range socketCounts {
		title := fmt.Sprintf("%d sockets", sockets)
		points := s.of(sockets)
		panel, err := threadsPanel(title, "root filesystems / s", points, func(r result) float64 { return r.perSecond })
		if err != nil {
			return err
		}
		speed.Panels = append(speed.Panels, panel)
		panel, err = threadsPanel(title, "p99 of one, ms", points, func(r result) float64 { return r.p99.Seconds() * 1000 })
		if err != nil {
			return err
		}
		wait.Panels = append(wait.Panels, panel)
	}
	panel, err := s.gapPanel()
	if err != nil {
		return err
	}
	gap := figures.Picture{Name: "handover-gap", Height: 400 * figures.Px, Panels: []*plot.Plot{panel}}
	for _, p := range []figures.Picture{speed, wait, gap} {
		if err := p.Save(dir); err != nil {
			return err
		}
	}
	return nil
}

func (s swept) of(sockets int) (points []point) {
	for _, p := range s.scale {
		if p.sockets == sockets {
			points = append(points, p)
		}
	}
	return points
}

// threadsPanel draws a number of the ways over the threads, evenly spaced.
func threadsPanel(title, y string, points []point, number func(result) float64) (*plot.Plot, error) {
	panel := figures.NewPanel(title, "threads", y)
	var ticks plot.ConstantTicks
	for i, p := range points {
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: fmt.Sprint(p.threads)})
	}
	panel.X.Tick.Marker = ticks
	return panel, fill(panel, points, number)
}

// gapPanel draws throughput over the work that is done without the kernel's lock.
func (s swept) gapPanel() (*plot.Plot, error) {
	panel := figures.NewPanel("2 sockets, 128 threads", "work between two sections, outside the kernel's lock, us (a section holds it for 3)", "root filesystems / s")
	var ticks plot.ConstantTicks
	for i, p := range s.gaps {
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: figures.TickLabel(p.gap.Seconds() * 1e6)})
	}
	panel.X.Tick.Marker = ticks
	return panel, fill(panel, s.gaps, func(r result) float64 { return r.perSecond })
}

// fill adds a curve for each way, and the key.
func fill(panel *plot.Plot, points []point, number func(result) float64) error {
	figures.AddGrid(panel, false)
	var key figures.Key
	for i, c := range compared {
		var xys plotter.XYs
		for x, p := range points {
			xys = append(xys, plotter.XY{X: float64(x), Y: number(p.results[i])})
		}
		if err := curve(panel, xys, figures.Series[i]); err != nil {
			return err
		}
		key.Labels = append(key.Labels, c.name)
		key.Colors = append(key.Colors, figures.Series[i])
	}
	panel.Add(key)
	panel.Y.Min = 0
	panel.Y.Max *= 1.45 // room for the key
	return nil
}

func curve(panel *plot.Plot, xys plotter.XYs, c color.NRGBA) error {
	line, dots, err := plotter.NewLinePoints(xys)
	if err != nil {
		return err
	}
	line.LineStyle = figures.Line(c, 2.5*figures.Px)
	dots.GlyphStyle = draw.GlyphStyle{Color: c, Radius: 3.5 * figures.Px, Shape: draw.CircleGlyph{}}
	panel.Add(line, dots)
	return nil
}
