// Package figures draws the pictures of what the measuring programs have
// measured, for people to read: SVG and PNG in one style.
package figures

import (
	"bytes"
	"image/color"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Width is that of pictures, in CSS pixels.
const Width = 900

// dotsPerInch gives PNGs two dots a CSS pixel.
const dotsPerInch = 192

// Px is a CSS pixel.
const Px = vg.Inch / 96

// Picture is some panels side by side.
type Picture struct {
	Name   string // of the files, without their extensions
	Height vg.Length
	Panels []*plot.Plot
}

// Save writes the picture as SVG and as PNG into dir, which it makes.
func (p *Picture) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	width := Width * Px
	svg := vgsvg.New(width, p.Height)
	p.paint(svg)
	var drawing bytes.Buffer
	if _, err := svg.WriteTo(&drawing); err != nil {
		return err
	}
	png := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, p.Height), vgimg.UseDPI(dotsPerInch))}
	p.paint(png)
	var dots bytes.Buffer
	if _, err := png.WriteTo(&dots); err != nil {
		return err
	}
	// Who lacks the font has one of the same widths.
	portable := bytes.ReplaceAll(drawing.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
	if err := os.WriteFile(filepath.Join(dir, p.Name+".svg"), portable, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, p.Name+".png"), dots.Bytes(), 0o644)
}

func (p *Picture) paint(canvas vg.CanvasSizer) {
	whole := draw.New(canvas)
	whole.SetColor(color.White)
	whole.Fill(whole.Rectangle.Path())
	tiles := draw.Tiles{
		Rows: 1, Cols: len(p.Panels), PadX: 28 * Px,
		PadTop: 14 * Px, PadBottom: 12 * Px, PadLeft: 14 * Px, PadRight: 22 * Px,
	}
	for i, area := range plot.Align([][]*plot.Plot{p.Panels}, tiles, whole)[0] {
		p.Panels[i].Draw(area)
	}
}
