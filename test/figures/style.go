package figures

import (
	"image/color"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Colours, dark enough for white paper.
var (
	// Series are the colours of what is compared: tango's, the stock shim's, more.
	Series = []color.NRGBA{
		{0xE2, 0x57, 0x1E, 0xFF}, {0x4A, 0x65, 0x82, 0xFF}, {0x2E, 0x8B, 0x6F, 0xFF}, {0x8A, 0x4F, 0xA0, 0xFF},
		{0xB0, 0x8A, 0x1E, 0xFF}, {0xB0, 0x1E, 0x4B, 0xFF},
	}
	Ink      = color.NRGBA{0x22, 0x2B, 0x36, 0xFF} // letters
	Faded    = color.NRGBA{0x6B, 0x77, 0x85, 0xFF} // letters of less importance
	Rule     = color.NRGBA{0xE3, 0xE8, 0xED, 0xFF} // lines behind what was measured
	Doubtful = color.NRGBA{0xB4, 0xBC, 0xC6, 0xFF} // axes, and what allows no conclusion
)

// Dashes are those of the second of two curves of one colour.
var Dashes = []vg.Length{5 * Px, 4 * Px}

// NewPanel returns an empty plot in the pictures' style.
func NewPanel(title, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	p.Title.Text = title
	p.Title.TextStyle = Style(16*Px, Ink)
	p.Title.TextStyle.Font.Weight = xfont.WeightBold
	p.Title.TextStyle.XAlign, p.Title.TextStyle.YAlign = draw.XCenter, draw.YTop
	p.Title.Padding = 10 * Px
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font = Style(13*Px, Faded).Font
		axis.Label.TextStyle.Color = Faded
		axis.Label.Padding = 5 * Px
		axis.Tick.Label.Font = Style(12.5*Px, Faded).Font
		axis.Tick.Label.Color = Faded
		axis.LineStyle.Color, axis.LineStyle.Width = Doubtful, Px
		axis.Tick.LineStyle.Color, axis.Tick.Length = Doubtful, 4*Px
		axis.Padding = 0
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = RoundTicks{}, RoundTicks{}
	return p
}

// Style is text of one size and colour.
func Style(size vg.Length, c color.Color) text.Style {
	return text.Style{
		Color: c, Font: font.From(plot.DefaultFont, size), YAlign: draw.YCenter, Handler: plot.DefaultTextHandler,
	}
}

// AddGrid rules the panel across, and down if asked for.
func AddGrid(p *plot.Plot, down bool) {
	grid := plotter.NewGrid()
	grid.Horizontal = draw.LineStyle{Color: Rule, Width: Px}
	grid.Vertical = draw.LineStyle{}
	if down {
		grid.Vertical = grid.Horizontal
	}
	p.Add(grid)
}

// Line is a line of one colour and width.
func Line(c color.Color, width vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: width}
}

func init() {
	// Sans serif, for small letters beside thin lines.
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
}

// Put writes text with the middle of its digits at a height: centred text of
// this font lies a little lower.
func Put(c draw.Canvas, letters text.Style, at vg.Point, label string) {
	c.FillText(letters, at.Add(vg.Point{Y: 0.16 * letters.Font.Size}), label)
}

// Bold is text of the usual size that stands out.
func Bold(c color.Color) text.Style {
	s := Style(13*Px, c)
	s.Font.Weight = xfont.WeightBold
	return s
}
