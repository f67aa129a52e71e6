package main

import (
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tango/test/figures"
	"tango/test/sides"
	"tango/test/stats"
)

const (
	// barPitch is the height that a bar of the ratios takes with the gap to the next.
	barPitch = 28 * figures.Px
	// widest is the largest ratio that is drawn to scale.
	widest = 2.0
	// columns is the share of the panel's width that numbers take, not bars.
	columns = 0.39
)

// ratioPicture shows all ratios as bars with their intervals.
func (r *report) ratioPicture() (*figures.Picture, error) {
	var rows []row
	end := 1.1
	for _, line := range r.Rows {
		if line.Ratio == nil || line.Detail || r.between(line) {
			continue
		}
		rows = append(rows, line)
		end = max(end, min(widest, line.Ratio.High*1.03))
	}
	if rows == nil {
		return nil, nil
	}
	panel := figures.NewPanel("tango compared with containerd-shim-runc-v2 and runc: shorter is better", "ratio of medians, with 95 % interval", "")
	panel.Y.LineStyle.Width, panel.Y.Tick.Length = 0, 0
	panel.X.LineStyle.Width = 0
	panel.X.Tick.Marker = plot.ConstantTicks(figures.RoundTicks{}.Ticks(0, end))
	panel.Add(&scale{end: end, rows: len(rows)})
	var names plot.ConstantTicks
	for i, line := range rows {
		at := float64(len(rows) - 1 - i)
		names = append(names, plot.Tick{Value: at, Label: rowName(line)})
		panel.Add(&bar{at: at, end: end, row: line})
	}
	panel.Y.Tick.Marker, panel.Y.Tick.Label.Color = names, figures.Ink
	panel.X.Min, panel.X.Max = 0, end/(1-columns)
	panel.Y.Min, panel.Y.Max = -0.5, float64(len(rows))+0.3
	return &figures.Picture{Name: "ratios", Height: 95*figures.Px + barPitch*vg.Length(len(rows)+1), Panels: []*plot.Plot{panel}}, nil
}

// between reports whether a row is one of a curve's that is neither its first
// nor its last.
func (r *report) between(line row) bool {
	curve := r.group(line.Group)
	return line.Group != "" && line.ID != curve[0].ID && line.ID != curve[len(curve)-1].ID
}

// rowName names a row without the rows above it.
func rowName(line row) string {
	name := strings.TrimSpace(line.Title)
	switch {
	case strings.HasPrefix(line.ID, "burst."):
		return "burst: " + name
	case strings.HasPrefix(line.ID, "calm."):
		return "first burst: " + name
	}
	return name
}

// scale is what lies behind and above the bars: rules, the line where both are
// equal, the heads of the columns.
type scale struct {
	end  float64
	rows int
}

// Plot draws the scale.
func (s *scale) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	top := y(float64(s.rows) - 0.4)
	for _, tick := range (figures.RoundTicks{}).Ticks(0, s.end) {
		c.StrokeLine2(figures.Line(figures.Rule, figures.Px), x(tick.Value), c.Min.Y, x(tick.Value), top)
	}
	equal := figures.Line(colorOf(sides.Stock), 2*figures.Px)
	equal.Dashes = []vg.Length{5 * figures.Px, 4 * figures.Px}
	c.StrokeLine2(equal, x(1), c.Min.Y, x(1), top)
	head := y(float64(s.rows) - 0.1)
	centered := figures.Style(12*figures.Px, figures.Faded)
	centered.XAlign = draw.XCenter
	figures.Put(c, centered, vg.Point{X: x(1), Y: head}, "equal")
	cells(c, x(s.end), head, [3]string{"ratio", sides.Tango.Label(), sides.Stock.Label()}, [3]text.Style{figures.Style(12*figures.Px, figures.Faded), figures.Bold(colorOf(sides.Tango)), figures.Bold(colorOf(sides.Stock))}, "")
}

// bar is one ratio.
type bar struct {
	at  float64
	end float64 // where the scale ends
	row row
}

// Plot draws the bar, its interval and what was compared.
func (b *bar) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	to := func(ratio float64) vg.Length { return x(min(ratio, b.end)) }
	ratio, middle, half := b.row.Ratio, y(b.at), 0.34*barPitch
	c.FillPolygon(b.color(), []vg.Point{
		{X: x(0), Y: middle - half}, {X: to(ratio.Value), Y: middle - half},
		{X: to(ratio.Value), Y: middle + half}, {X: x(0), Y: middle + half},
	})
	whisker, hook := figures.Line(figures.Ink, 1.5*figures.Px), 0.15*barPitch
	c.StrokeLine2(whisker, to(ratio.Low), middle, to(ratio.High), middle)
	for _, end := range []float64{ratio.Low, ratio.High} {
		if end <= b.end {
			c.StrokeLine2(whisker, x(end), middle-hook, x(end), middle+hook)
		}
	}
	note := b.row.Unit
	if b.row.Verdict != "better" && b.row.Verdict != "worse" {
		note += ", " + b.row.Verdict
	}
	numbers := [3]string{fmt.Sprintf("%.2f", ratio.Value), stats.Number(b.row.Tango.Median), stats.Number(b.row.Stock.Median)}
	cells(c, x(b.end), middle, numbers, [3]text.Style{figures.Bold(figures.Ink), figures.Style(13*figures.Px, figures.Ink), figures.Style(13*figures.Px, figures.Ink)}, note)
}

// cells writes a line of the columns to the right of the scale.
func cells(c draw.Canvas, left, middle vg.Length, numbers [3]string, styles [3]text.Style, note string) {
	for i, right := range []vg.Length{44 * figures.Px, 96 * figures.Px, 164 * figures.Px} {
		styles[i].XAlign = draw.XRight
		figures.Put(c, styles[i], vg.Point{X: left + right, Y: middle}, numbers[i])
	}
	figures.Put(c, figures.Style(12*figures.Px, figures.Faded), vg.Point{X: left + 171*figures.Px, Y: middle}, note)
}

// color tells a conclusion from a bar without.
func (b *bar) color() color.Color {
	switch b.row.Verdict {
	case "better":
		return colorOf(sides.Tango)
	case "worse":
		return worse
	default:
		return figures.Doubtful
	}
}
