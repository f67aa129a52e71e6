package main

import (
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// barPitch is the height that a bar of the ratios takes with the gap to the next.
const barPitch = 31 * px

// ratioPicture shows all ratios as bars with their intervals.
func (r *report) ratioPicture() (*picture, error) {
	var rows []row
	for _, line := range r.Rows {
		if line.Ratio != nil && !line.Detail && !r.between(line) {
			rows = append(rows, line)
		}
	}
	if rows == nil {
		return nil, nil
	}
	panel := newPanel("tango / stock: less is better", "ratio of medians, with 95 % interval", "")
	addGrid(panel, false)
	panel.Y.Min, panel.Y.Max = -0.5, float64(len(rows))-0.5
	panel.Y.LineStyle.Width, panel.Y.Tick.Length = 0, 0
	panel.X.Min, panel.X.Max = 0, 1.12
	var names []plot.Tick
	for i, line := range rows {
		at := float64(len(rows) - 1 - i)
		names = append(names, plot.Tick{Value: at, Label: rowName(line)})
		panel.X.Max = max(panel.X.Max, line.Ratio.High*1.12)
		panel.Add(&bar{at: at, row: line})
	}
	panel.Y.Tick.Marker = plot.ConstantTicks(names)
	panel.Y.Tick.Label.Color = ink
	panel.Add(unity{})
	return &picture{name: "ratios", height: 90*px + barPitch*vg.Length(len(rows)), panels: []*plot.Plot{panel}}, nil
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
	if strings.HasPrefix(line.ID, "burst.") {
		name = "burst: " + name
	}
	return name
}

// bar is one ratio.
type bar struct {
	at  float64
	row row
}

// Plot draws the bar, its interval and what was compared.
func (b *bar) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	ratio := b.row.Ratio
	middle, half := y(b.at), 0.33*barPitch
	fill := b.color()
	c.FillPolygon(fill, []vg.Point{
		{X: x(0), Y: middle - half}, {X: x(ratio.Value), Y: middle - half},
		{X: x(ratio.Value), Y: middle + half}, {X: x(0), Y: middle + half},
	})
	whisker, cap := line(ink, 1.5*px), 0.16*barPitch
	c.StrokeLine2(whisker, x(ratio.Low), middle, x(ratio.High), middle)
	for _, end := range []float64{ratio.Low, ratio.High} {
		c.StrokeLine2(whisker, x(end), middle-cap, x(end), middle+cap)
	}
	value := style(13*px, ink)
	value.Font.Weight = 2
	at := vg.Point{X: x(max(ratio.High, ratio.Value)) + 8*px, Y: middle}
	amount := fmt.Sprintf("%.2f", ratio.Value)
	c.FillText(value, at, amount)
	detail := fmt.Sprintf("%s : %s %s", number(b.row.Tango.Median), number(b.row.Stock.Median), b.row.Unit)
	if b.row.Verdict != "better" && b.row.Verdict != "worse" {
		detail += ", " + b.row.Verdict
	}
	c.FillText(style(12*px, faded), at.Add(vg.Point{X: value.Width(amount) + 8*px}), detail)
}

// color tells a conclusion from a bar without.
func (b *bar) color() color.Color {
	switch b.row.Verdict {
	case "better":
		return sideColors[tango]
	case "worse":
		return worse
	default:
		return doubtful
	}
}

// unity is the line where both are equal.
type unity struct{}

// Plot draws the line.
func (unity) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	dashed := line(sideColors[stock], 2*px)
	dashed.Dashes = []vg.Length{5 * px, 4 * px}
	c.StrokeLine2(dashed, x(1), c.Min.Y, x(1), c.Max.Y)
}
