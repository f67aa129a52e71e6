package main

import (
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"tango/test/figures"
	"tango/test/sides"
)

// write puts bold text in a side's colour beside a point.
func write(c draw.Canvas, at vg.Point, s sides.Side, leftwards bool, label string) {
	letters := figures.Bold(colorOf(s))
	at.X += 9 * figures.Px
	if leftwards {
		letters.XAlign = draw.XRight
		at.X -= 18 * figures.Px
	}
	figures.Put(c, letters, at, label)
}
