package main

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
)

// curvePicture shows create+start over layers and over the host's mounts.
func (r *report) curvePicture() (*picture, error) {
	p := &picture{name: "curves", height: 380 * px}
	for _, c := range []struct{ group, title, x string }{
		{"layers", "More layers", "layers of the image"},
		{"mounts", "More mounts on the host", "mounts on the host"},
	} {
		rows := r.group(c.group)
		if len(rows) < 2 {
			continue
		}
		panel, err := curve(c.title, c.x, rows)
		if err != nil {
			return nil, err
		}
		p.panels = append(p.panels, panel)
	}
	if p.panels == nil {
		return nil, nil
	}
	return p, nil
}

// curve draws the medians of both sides over X, and the band from p10 to p90.
func curve(title, x string, rows []row) (*plot.Plot, error) {
	panel := newPanel(title, x, "create + start, ms")
	addGrid(panel, false)
	panel.X.Tick.Marker = thousandsTicks{}
	panel.Y.Min = 0
	for _, s := range []side{stock, tango} {
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
	panel.X.Min = 0
	panel.X.Max *= 1.03
	panel.Y.Max *= 1.25 // room for the legend
	panel.Legend.Top, panel.Legend.Left = true, true
	panel.Legend.XOffs = 10 * px
	return panel, nil
}

func addCurve(panel *plot.Plot, s side, medians, band plotter.XYs) error {
	spread, err := plotter.NewPolygon(band)
	if err != nil {
		return err
	}
	pale := sideColors[s]
	pale.A = 0x2C
	spread.Color, spread.LineStyle.Width = color.Color(pale), 0
	lines, points, err := plotter.NewLinePoints(medians)
	if err != nil {
		return err
	}
	lines.LineStyle = line(sideColors[s], 2.5*px)
	points.GlyphStyle = draw.GlyphStyle{Color: sideColors[s], Radius: 4 * px, Shape: draw.CircleGlyph{}}
	panel.Add(spread, lines, points)
	panel.Legend.Add(sideLabels[s], lines, points)
	return nil
}

// summary returns what was measured of one side.
func (r row) summary(s side) summary {
	if s == tango {
		return r.Tango
	}
	return r.Stock
}

// thousandsTicks writes large numbers with commas.
type thousandsTicks struct{}

// Ticks returns the default ticks with such labels.
func (thousandsTicks) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i, t := range ticks {
		if t.Label != "" && t.Value >= 1000 {
			ticks[i].Label = thousands(int(t.Value))
		}
	}
	return ticks
}
