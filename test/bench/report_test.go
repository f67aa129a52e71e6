package main

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tango/test/figures"
	"tango/test/machine"
	"tango/test/program"
	"tango/test/sides"
)

// noisy returns samples around a middle.
func noisy(random *rand.Rand, n int, middle float64) []float64 {
	samples := make([]float64, n)
	for i := range samples {
		samples[i] = middle * math.Exp(0.1*random.NormFloat64())
	}
	return samples
}

// sample returns a report with a row of every kind.
func sample() *report {
	random := rand.New(rand.NewPCG(7, 8))
	pair := func(a, b float64) sides.Samples { return sides.Samples{noisy(random, 20, a), noisy(random, 20, b)} }
	r := &report{Header: program.Header{Machine: machine.Machine{Kernel: "6.1", Processor: "some", CPUs: 2, MemoryGiB: 8}}, Sizes: sizes{Rounds: 20, Burst: 10, Concurrency: 2}}
	three := pair(30, 75)
	three[sides.Crun] = noisy(random, 20, 60)
	r.add(row{ID: "start", Title: "create+start", Unit: "ms"}, three)
	r.add(row{ID: "start.create", Title: "  of which create", Unit: "ms", Detail: true}, pair(20, 50))
	r.add(row{ID: "same", Title: "the same", Unit: "ms"}, sides.Samples{{1, 2, 3, 4, 5, 6, 7}, {1, 2, 3, 4, 5, 6, 7}})
	r.add(row{ID: "worse", Title: "much worse", Unit: "MiB"}, pair(900, 10))
	r.add(row{ID: "nothing", Title: "nothing", Unit: "calls"}, sides.Samples{{0, 0}, {0, 0}})
	for _, group := range []string{"layers", "mounts", "running", "concurrency"} {
		for _, x := range []int{1, 2, 100} {
			r.add(row{ID: fmt.Sprintf("%s.%d", group, x), Title: "create+start", Unit: "ms", Group: group, X: x}, pair(30, 80))
		}
	}
	r.Burst = pair(100, 300)
	return r
}

func TestVerdictsInTheTable(t *testing.T) {
	var out bytes.Buffer
	if err := sample().print(&out); err != nil {
		t.Fatal(err)
	}
	for title, want := range map[string]string{"create+start,": "better", "the same,": "noise", "much worse,": "worse", "nothing,": "noise"} {
		found := false
		for line := range strings.Lines(out.String()) {
			found = found || strings.HasPrefix(line, title) && strings.Contains(line, want)
		}
		if !found {
			t.Errorf("no row %q with %q in\n%s", title, want, out.String())
		}
	}
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.json")
	before := sample()
	if err := program.Save(path, before); err != nil {
		t.Fatal(err)
	}
	after := new(report)
	if err := program.Load(path, after); err != nil {
		t.Fatal(err)
	}
	var one, two bytes.Buffer
	if err := before.print(&one); err != nil {
		t.Fatal(err)
	}
	if err := after.print(&two); err != nil {
		t.Fatal(err)
	}
	if one.String() != two.String() {
		t.Errorf("before:\n%s\nafter:\n%s", &one, &two)
	}
}

// TestPictures draws all pictures, and none for a report without rows.
func TestPictures(t *testing.T) {
	dir := t.TempDir()
	if err := sample().draw(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"latency", "ratios", "curves", "load"} {
		f, err := os.Open(filepath.Join(dir, name+".png"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		picture, err := png.Decode(f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if width := picture.Bounds().Dx(); width != 2*figures.Width {
			t.Errorf("%s has %d dots in a row", name, width)
		}
		svg, err := os.ReadFile(filepath.Join(dir, name+".svg"))
		if err != nil || !bytes.Contains(svg, []byte("</svg>")) {
			t.Errorf("%s.svg is not whole: %v", name, err)
		}
	}
	empty := t.TempDir()
	if err := new(report).draw(empty); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) != 0 {
		t.Errorf("drawn without rows: %v, %v", left, err)
	}
}

func TestQuickKeepsWhatIsGiven(t *testing.T) {
	s, err := parseSettings([]string{"-quick", "-rounds", "7", "-over-layers", "2,3"})
	if err != nil {
		t.Fatal(err)
	}
	if s.rounds != 7 || s.overLayers.String() != "2,3" || s.burst != 6 {
		t.Errorf("got %+v", s)
	}
	for _, args := range [][]string{{"-over-layers", "0"}, {"-rounds", "0"}, {"-only", "("}, {"more"}} {
		if _, err := parseSettings(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
