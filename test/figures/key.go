package figures

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Key says at the top left of a panel which colour is what.
type Key struct {
	Labels []string
	Colors []color.NRGBA // as many as there are labels
}

// Plot draws the key.
func (k Key) Plot(c draw.Canvas, _ *plot.Plot) {
	const pitch, stroke = 21 * Px, 22 * Px
	letters := Style(13*Px, Ink)
	at := vg.Point{X: c.Min.X + 16*Px, Y: c.Max.Y - 14*Px}
	for i, label := range k.Labels {
		c.StrokeLine2(Line(k.Colors[i], 3*Px), at.X, at.Y, at.X+stroke, at.Y)
		Put(c, letters, at.Add(vg.Point{X: stroke + 8*Px}), label)
		at.Y -= pitch
	}
}
