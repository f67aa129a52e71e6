package figures

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

func TestSave(t *testing.T) {
	panel := NewPanel("Title", "x", "y")
	AddGrid(panel, true)
	curve, err := plotter.NewLine(plotter.XYs{{X: 0, Y: 0}, {X: 1, Y: 2500}})
	if err != nil {
		t.Fatal(err)
	}
	curve.LineStyle = Line(Series[0], 2*Px)
	panel.Add(curve, Key{Labels: []string{"what it is"}, Colors: Series})
	dir := filepath.Join(t.TempDir(), "made")
	p := &Picture{Name: "drawing", Height: 300 * Px, Panels: []*plot.Plot{panel, panel}}
	if err := p.Save(dir); err != nil {
		t.Fatal(err)
	}
	drawing, err := os.ReadFile(filepath.Join(dir, "drawing.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"what it is", "2,500", "Liberation Sans,Arial"} {
		if !bytes.Contains(drawing, []byte(want)) {
			t.Errorf("no %q in the drawing", want)
		}
	}
	f, err := os.Open(filepath.Join(dir, "drawing.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dots, err := png.Decode(f)
	if err != nil || dots.Bounds().Dx() != 2*Width {
		t.Errorf("the picture is %v, %v", dots.Bounds(), err)
	}
}

func TestTicks(t *testing.T) {
	var labels []string
	for _, tick := range (RoundTicks{}).Ticks(0, 6000) {
		labels = append(labels, tick.Label)
	}
	if len(labels) != 7 || labels[6] != "6,000" {
		t.Errorf("got %q", labels)
	}
}
