package main

import (
	"fmt"
	"image/color"

	"tango/test/figures"
	"tango/test/sides"
)

// worse is the colour of a bar that tells of something that tango does worse.
var worse = figures.Series[5]

// colorOf is a side's in pictures.
func colorOf(s sides.Side) color.NRGBA { return figures.Series[s] }

// draw makes all pictures for which something was measured.
func (r *report) draw(dir string) error {
	for _, make := range []func() (*figures.Picture, error){r.latencyPicture, r.ratioPicture, r.curvePicture, r.loadPicture} {
		p, err := make()
		if err != nil {
			return fmt.Errorf("cannot draw: %w", err)
		}
		if p == nil {
			continue
		}
		if err := p.Save(dir); err != nil {
			return err
		}
	}
	return nil
}
