package main

import (
	"image/color"
	"math"
	"strconv"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tango/test/stats"
)

// key says at the top left of a panel which colour is which side.
type key struct{}

// Plot draws the key.
func (key) Plot(c draw.Canvas, _ *plot.Plot) {
	const pitch, stroke = 21 * px, 22 * px
	letters := style(13*px, ink)
	at := vg.Point{X: c.Min.X + 16*px, Y: c.Max.Y - 14*px}
	for s, label := range sideLabels {
		c.StrokeLine2(line(sideColors[s], 3*px), at.X, at.Y, at.X+stroke, at.Y)
		put(c, letters, at.Add(vg.Point{X: stroke + 8*px}), label)
		at.Y -= pitch
	}
}

// write puts bold text in a side's colour beside a point.
func write(c draw.Canvas, at vg.Point, s side, leftwards bool, label string) {
	letters := bold(sideColors[s])
	at.X += 9 * px
	if leftwards {
		letters.XAlign = draw.XRight
		at.X -= 18 * px
	}
	put(c, letters, at, label)
}

// put writes text with the middle of its digits at a height: centred text of
// this font lies a little lower.
func put(c draw.Canvas, letters text.Style, at vg.Point, label string) {
	c.FillText(letters, at.Add(vg.Point{Y: 0.16 * letters.Font.Size}), label)
}

// bold is text of the usual size that stands out.
func bold(c color.Color) text.Style {
	s := style(13*px, c)
	s.Font.Weight = xfont.WeightBold
	return s
}

// roundTicks are at multiples of 1, 2, 2.5 or 5 times a power of ten, about six of
// them, with labels as short as they can be.
type roundTicks struct{}

// Ticks returns the ticks from low to high.
func (roundTicks) Ticks(low, high float64) []plot.Tick {
	step := roundStep((high - low) / 6)
	var ticks []plot.Tick
	for i := int(math.Ceil(low/step - 1e-9)); float64(i)*step <= high*(1+1e-9); i++ {
		ticks = append(ticks, plot.Tick{Value: float64(i) * step, Label: tickLabel(float64(i) * step)})
	}
	return ticks
}

// roundStep returns the least round number that is at least x.
func roundStep(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, factor := range []float64{1, 2, 2.5, 5} {
		if x <= factor*power*(1+1e-9) {
			return factor * power
		}
	}
	return 10 * power
}

func tickLabel(x float64) string {
	if x >= 1000 {
		return stats.Thousands(int(math.Round(x)))
	}
	return strconv.FormatFloat(math.Round(x*1e6)/1e6, 'f', -1, 64)
}
