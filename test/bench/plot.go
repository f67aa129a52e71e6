package main

import (
	"fmt"
	"image/color"

	"tango/test/figures"
)

// sideColors are the sides' in pictures, and worse that of a bar that tells
// of something that tango does worse.
var (
	sideColors = [2]color.NRGBA{figures.Series[tango], figures.Series[stock]}
	worse      = figures.Series[5]
)

// sideLabels name the sides in pictures.
var sideLabels = [2]string{"tango", "runc shim"}

// draw makes all pictures for which something was measured.
func (r *report) draw(dir string) error {
	for _, make := range []func() (*figures.Picture, error){r.latencyPicture, r.ratioPicture, r.curvePicture} {
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
