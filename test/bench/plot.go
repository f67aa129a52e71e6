package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"path/filepath"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Pictures are this wide, in CSS pixels; PNGs have twice as many dots.
const (
	pictureWidth = 900
	dotsPerInch  = 192
)

// px is a CSS pixel.
const px = vg.Inch / 96

// Colours, dark enough for white paper. The first two are the sides'.
var (
	sideColors = [2]color.NRGBA{{0xE2, 0x57, 0x1E, 0xFF}, {0x4A, 0x65, 0x82, 0xFF}}
	ink        = color.NRGBA{0x22, 0x2B, 0x36, 0xFF}
	faded      = color.NRGBA{0x6B, 0x77, 0x85, 0xFF}
	rule       = color.NRGBA{0xE3, 0xE8, 0xED, 0xFF}
	doubtful   = color.NRGBA{0xB4, 0xBC, 0xC6, 0xFF}
	worse      = color.NRGBA{0xB0, 0x1E, 0x4B, 0xFF}
)

// sideLabels name the sides in pictures.
var sideLabels = [2]string{"tango", "runc shim"}

// picture is some panels side by side.
type picture struct {
	name   string
	height vg.Length
	panels []*plot.Plot
}

// draw makes all pictures for which something was measured.
func (r *report) draw(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, make := range []func() (*picture, error){r.latencyPicture, r.ratioPicture, r.curvePicture} {
		p, err := make()
		if err != nil {
			return fmt.Errorf("cannot draw: %w", err)
		}
		if p == nil {
			continue
		}
		if err := p.save(dir); err != nil {
			return err
		}
	}
	return nil
}

// save writes the picture as SVG and as PNG.
func (p *picture) save(dir string) error {
	width := pictureWidth * px
	svg := vgsvg.New(width, p.height)
	p.paint(svg)
	var drawing bytes.Buffer
	if _, err := svg.WriteTo(&drawing); err != nil {
		return err
	}
	png := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, p.height), vgimg.UseDPI(dotsPerInch))}
	p.paint(png)
	var dots bytes.Buffer
	if _, err := png.WriteTo(&dots); err != nil {
		return err
	}
	// Who lacks the font has one of the same widths.
	portable := bytes.ReplaceAll(drawing.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
	if err := os.WriteFile(filepath.Join(dir, p.name+".svg"), portable, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, p.name+".png"), dots.Bytes(), 0o644)
}

func (p *picture) paint(canvas vg.CanvasSizer) {
	whole := draw.New(canvas)
	whole.SetColor(color.White)
	whole.Fill(whole.Rectangle.Path())
	tiles := draw.Tiles{
		Rows: 1, Cols: len(p.panels), PadX: 28 * px,
		PadTop: 14 * px, PadBottom: 12 * px, PadLeft: 14 * px, PadRight: 22 * px,
	}
	for i, area := range plot.Align([][]*plot.Plot{p.panels}, tiles, whole)[0] {
		p.panels[i].Draw(area)
	}
}

// newPanel returns an empty plot in the pictures' style.
func newPanel(title, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	p.Title.Text = title
	p.Title.TextStyle = style(16*px, ink)
	p.Title.TextStyle.Font.Weight = xfont.WeightBold
	p.Title.TextStyle.XAlign, p.Title.TextStyle.YAlign = draw.XCenter, draw.YTop
	p.Title.Padding = 10 * px
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font = style(13*px, faded).Font
		axis.Label.TextStyle.Color = faded
		axis.Label.Padding = 5 * px
		axis.Tick.Label.Font = style(12.5*px, faded).Font
		axis.Tick.Label.Color = faded
		axis.LineStyle.Color, axis.LineStyle.Width = doubtful, px
		axis.Tick.LineStyle.Color, axis.Tick.Length = doubtful, 4*px
		axis.Padding = 0
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = roundTicks{}, roundTicks{}
	return p
}

// style is text of one size and colour.
func style(size vg.Length, c color.Color) text.Style {
	return text.Style{
		Color: c, Font: font.From(plot.DefaultFont, size), YAlign: draw.YCenter, Handler: plot.DefaultTextHandler,
	}
}

// addGrid rules the panel across, and down if asked for.
func addGrid(p *plot.Plot, down bool) {
	grid := plotter.NewGrid()
	grid.Horizontal = draw.LineStyle{Color: rule, Width: px}
	grid.Vertical = draw.LineStyle{}
	if down {
		grid.Vertical = grid.Horizontal
	}
	p.Add(grid)
}

func line(c color.Color, width vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: width}
}

func init() {
	// Sans serif, for small letters beside thin lines.
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
}
